"""The one-shot script as Asterisk runs it: a process, its pipes, and callers who hang up."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agi.protocol import Request, Session
from dialplan.words import ROUTE_PATH
from tests.dialplan.as_asterisk import decode_plan

ROOT = Path(__file__).parents[2]
BLOCK = (
    b"agi_request: leadline-agi\nagi_channel: PJSIP/trunk-00000001\nagi_callerid: +380501234567\n"
    b"agi_calleridname: \xd0\xff\nagi_callingpres: 0\nagi_arg_1: 0441234567\nagi_arg_2: 1732190000.17\n\n"
)

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the script; what still runs at the end is killed."""
    running: list[subprocess.Popen[bytes]] = []

    def start_one(kind: str, port: int | None = None) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.agi.oneshot_script", kind, *([str(port)] if port else [])]
        pipe = subprocess.PIPE
        running.append(subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe))
        return running[-1]

    yield start_one
    for process in running:
        process.kill()
        process.communicate()


def talk(process: "subprocess.Popen[bytes]", block: bytes, reply: bytes) -> tuple[bytes, bytes]:
    """Ask, read the command, answer it; give the command and what came on stderr."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(block)
    process.stdin.flush()
    command = process.stdout.readline()
    process.stdin.write(reply)
    rest, errors = process.communicate()
    assert rest == b""
    return command, errors


def rung(command: bytes) -> list[str]:
    plan = command.decode().removeprefix('SET VARIABLE LEADLINE_PLAN "').removesuffix('"\n')
    return ["+".join(phone.endpoint for phone in step.phones) for step in decode_plan(plan)]


def test_the_answer_is_the_server_s(start: Start) -> None:
    process = start("well")
    command, errors = talk(process, BLOCK, b"200 result=1\n")
    assert rung(command) == ["PJSIP/101", "PJSIP/101+PJSIP/102", "PJSIP/103"]
    assert b"Melnychenko Olha" in command
    assert errors == b"recorded 1732190000.17 +380501234567\n"
    assert process.returncode == 0


def test_a_withheld_number_stays_unknown(start: Start) -> None:
    block = BLOCK.replace(b"callingpres: 0", b"callingpres: 32")
    command, errors = talk(start("well"), block, b"200 result=1\n")
    assert rung(command) == ["PJSIP/101+PJSIP/102", "PJSIP/103"]
    assert errors == b"recorded 1732190000.17 None\n"


def test_without_the_database_s_answer_the_dialled_number_decides(start: Start) -> None:
    command, _ = talk(start("unavailable"), BLOCK, b"200 result=1\n")
    assert rung(command) == ["PJSIP/101+PJSIP/102", "PJSIP/103"]


@pytest.mark.parametrize("reply", [b"", b"HANGUP\n", b"511 Command Not Permitted on a dead channel\n"])
def test_a_caller_who_hangs_up_makes_no_noise(start: Start, reply: bytes) -> None:
    process = start("well")
    _, errors = talk(process, BLOCK, reply)
    assert (process.returncode, errors) == (0, b"")


@pytest.mark.parametrize("block", [b"", b"agi_callerid: 1", b"\n", b"\xff\xfe\n\n"])
def test_half_a_question_ends_the_script(start: Start, block: bytes) -> None:
    process = start("well")
    process.communicate(block)
    assert process.returncode == 0


def test_what_goes_wrong_is_told_in_one_line(start: Start) -> None:
    process = start("broken")
    output, errors = process.communicate(BLOCK)
    assert (process.returncode, output) == (1, b"")
    assert errors == b"leadline: the call goes on without a plan: RuntimeError('no such table')\n"


def test_the_process_that_asterisk_waits_for_ends_before_the_record(start: Start) -> None:
    """Asterisk waits for its script without a bound, also when the pipe is closed."""
    process = start("well-slowly")
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdin.write(BLOCK + b"200 result=1\n")
    process.stdin.flush()
    assert rung(process.stdout.readline())
    assert process.wait(30) == 0
    # Only now may the other process record.
    os.kill(int(process.stderr.readline()), signal.SIGUSR1)
    assert process.stderr.read() == b"recorded 1732190000.17 +380501234567\n"


def test_a_caller_who_hangs_up_ends_the_wait_for_the_database(start: Start) -> None:
    process = start("announced")
    assert process.stdin
    assert process.stderr
    process.stdin.write(BLOCK)
    process.stdin.flush()
    other = int(process.stderr.readline())
    process.send_signal(signal.SIGHUP)
    # Both have ended when nobody holds the pipe open any more.
    assert process.stderr.read() == b""
    assert process.wait(30) == 1
    assert other != process.pid


def test_nothing_keeps_the_script_longer_than_its_deadline(start: Start) -> None:
    processes = [start("hanging"), start("stuck")]
    for process in processes:
        assert process.stdin
        process.stdin.write(BLOCK)
        process.stdin.flush()
    for process in processes:
        output, _ = process.communicate()
        assert (process.returncode, output) == (1, b"")


def serve_once(listener: socket.socket, answer: bytes) -> tuple[bytes, bytes]:
    """Be a server for one question; give the question and what was told of the answer."""
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as lines:
        question = b"".join(iter(lines.readline, b"\n"))
        connection.sendall(answer)
        return question, lines.read()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        yield listener


def test_the_server_is_asked_first_and_decides(start: Start, listener: socket.socket) -> None:
    process = start("broken", listener.getsockname()[1])
    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(serve_once, listener, b'SET VARIABLE LEADLINE_PLAN "L1||P,20,0PJSIP/103,,"\n')
        command, errors = talk(process, BLOCK, b"200 result=1\n")
        question, told = served.result()
    assert (process.returncode, errors) == (0, b"")
    assert rung(command) == ["PJSIP/103"]
    asked = Session().receive(question + b"\n")
    assert asked == Request(ROUTE_PATH, "+380501234567", "\ufffd\ufffd", "0441234567", "1732190000.17")
    assert told == b"200 result=1\n"


@pytest.mark.parametrize("reply", [b"", b"HANGUP\n", b"511 Command Not Permitted on a dead channel\n"])
def test_the_server_is_told_that_the_caller_hung_up(start: Start, listener: socket.socket, reply: bytes) -> None:
    process = start("broken", listener.getsockname()[1])
    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(serve_once, listener, b'SET VARIABLE LEADLINE_PLAN "L1|"\n')
        _, errors = talk(process, BLOCK, reply)
        _, told = served.result()
    assert (process.returncode, errors, told) == (0, b"", b"HANGUP\n")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SET VARIABLE LEADLINE_PLAN ",
        b'EXEC System "id"\n',
        b'SET VARIABLE PATH "L1|"\n',
        b'SET VARIABLE LEADLINE_PLAN "none"\n',
        b'SET VARIABLE LEADLINE_PLAN "L1|" "\n',
        b'SET VARIABLE LEADLINE_PLAN "L1|\\"\n',
        b'SET VARIABLE LEADLINE_PLAN "L1|"\nEXEC System "id"\n',
        b'SET VARIABLE LEADLINE_PLAN "L1|"\r\n',
        b'SET VARIABLE LEADLINE_PLAN "L1|' + b"a" * 2100 + b'"\n',
    ],
    ids=lambda answer: repr(answer)[:60],
)
def test_only_a_plan_is_taken_from_the_server(start: Start, listener: socket.socket, answer: bytes) -> None:
    process = start("well", listener.getsockname()[1])
    with ThreadPoolExecutor(1) as pool:
        pool.submit(serve_once, listener, answer)
        command, errors = talk(process, BLOCK, b"200 result=1\n")
    assert rung(command) == ["PJSIP/101", "PJSIP/101+PJSIP/102", "PJSIP/103"]
    assert errors == b"recorded 1732190000.17 +380501234567\n"


def test_a_silent_server_is_not_waited_for(start: Start, listener: socket.socket) -> None:
    command, errors = talk(start("well", listener.getsockname()[1]), BLOCK, b"200 result=1\n")
    assert rung(command) == ["PJSIP/101", "PJSIP/101+PJSIP/102", "PJSIP/103"]
    assert errors == b"recorded 1732190000.17 +380501234567\n"


def test_where_nobody_listens_the_script_decides(start: Start, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    command, _ = talk(start("well", port), BLOCK, b"200 result=1\n")
    assert rung(command) == ["PJSIP/101", "PJSIP/101+PJSIP/102", "PJSIP/103"]


def test_asking_the_server_loads_nothing_heavy() -> None:
    """A caller waits for each package that is loaded; asyncio alone would double the wait."""
    program = "import sys, leadline.agi_script; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True).split())
    assert "asterisk.agi" in loaded
    assert loaded.isdisjoint({"asyncio", "sqlalchemy", "pydantic", "typer", "structlog", "phonenumbers", "logging"})
