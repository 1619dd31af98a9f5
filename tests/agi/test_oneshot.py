"""The one-shot script as Asterisk runs it: a process, its pipes, and callers who hang up."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dialplan.plan import decode_plan

ROOT = Path(__file__).parents[2]
BLOCK = (
    b"agi_request: leadline-agi\nagi_channel: PJSIP/trunk-00000001\nagi_callerid: +380501234567\n"
    b"agi_calleridname: \xd0\xff\nagi_callingpres: 0\nagi_arg_1: 0441234567\nagi_arg_2: 1732190000.17\n\n"
)

Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the script; what still runs at the end is killed."""
    running: list[subprocess.Popen[bytes]] = []

    def start_one(kind: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.agi.oneshot_script", kind]
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
    assert errors == b"recorded 1732190000.17 +380501234567 UTC\n"
    assert process.returncode == 0


def test_a_withheld_number_stays_unknown(start: Start) -> None:
    block = BLOCK.replace(b"callingpres: 0", b"callingpres: 32")
    command, errors = talk(start("well"), block, b"200 result=1\n")
    assert rung(command) == ["PJSIP/101+PJSIP/102", "PJSIP/103"]
    assert errors == b"recorded 1732190000.17 None UTC\n"


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


@pytest.mark.parametrize("kind", ["hanging", "stuck"])
def test_nothing_keeps_the_script_longer_than_its_deadline(start: Start, kind: str) -> None:
    process = start(kind)
    output, _ = process.communicate(BLOCK)
    assert (process.returncode, output) == (-signal.SIGALRM, b"")
