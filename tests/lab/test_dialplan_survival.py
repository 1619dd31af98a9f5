"""With Leadline absent, frozen or broken, calls go on by what Asterisk itself knows, and no channel stays (C8, O4)."""

import os
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from dialplan.words import BYPASS, DID_FAMILY, DID_PLAN
from leadline.demo.sipp import free_port
from tests.lab.dialplan_lab import DialplanLab, phones, plan, ring
from tests.lab.scripted_agi import CLOSES, SILENT, SILENT_AFTER_COMMAND

pytestmark = pytest.mark.lab
OUR_SCRIPT = Path(__file__).parents[2] / "agi" / "leadline-agi"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DialplanLab]:
    with DialplanLab(tmp_path_factory.mktemp("survival")) as lab:
        yield lab
        lab.await_quiet()
        assert [line for line in lab.complaints() if "agi" not in line.lower()] == []


@pytest.fixture
def other_server(lab: DialplanLab) -> Iterator[int]:
    """Calls ask at another port, where the test puts something, or nothing."""
    port = free_port(socket.SOCK_STREAM)
    lab.set_global("LEADLINE_AGI", f"agi://127.0.0.1:{port}/route")
    yield port
    lab.set_global("LEADLINE_AGI", f"agi://127.0.0.1:{lab.values.fastagi_port}/route")


@pytest.mark.parametrize("failure", [CLOSES, SILENT, SILENT_AFTER_COMMAND, "", "L9|of another version"])
def test_a_server_that_fails_leaves_the_call_to_the_default(lab: DialplanLab, failure: str) -> None:
    lab.agi.answers["0441"] = failure
    with lab.phone("103") as default:
        assert lab.call("0441", display_name="Trunk").wait_one().status == 200
        assert default.await_end().name == "Trunk"
    lab.await_quiet()


def test_a_call_goes_on_where_no_server_listens(lab: DialplanLab, other_server: int) -> None:
    with lab.phone("103"):
        assert lab.call("0442").wait_one().status == 200


def test_a_call_goes_on_where_the_server_is_stopped(lab: DialplanLab, other_server: int) -> None:
    """As after kill -STOP: the kernel accepts, nobody reads."""
    with socket.create_server(("127.0.0.1", other_server)), lab.phone("103"):
        assert lab.call("0442").wait_one().status == 200


def test_a_call_goes_on_where_packets_to_the_server_are_dropped(lab: DialplanLab, other_server: int) -> None:
    """A full queue of connections: the kernel drops each further SYN."""
    with ExitStack() as stack:
        stack.enter_context(socket.create_server(("127.0.0.1", other_server), backlog=0))
        stack.enter_context(socket.create_connection(("127.0.0.1", other_server)))
        with socket.socket() as probe:
            probe.settimeout(0.2)
            with pytest.raises(TimeoutError):
                probe.connect(("127.0.0.1", other_server))
        with lab.phone("103"):
            assert lab.call("0442").wait_one().status == 200


@pytest.mark.parametrize(("answers", "rung"), [(True, "101"), (False, "103")])
def test_the_one_shot_script_is_asked_in_the_same_way(
    lab: DialplanLab, other_server: int, answers: bool, rung: str
) -> None:
    """In place of an address LEADLINE_AGI names a program; one that says nothing is not waited for either."""
    script = lab.asterisk.folder / "lib" / "leadline-agi"
    answer = f'SET VARIABLE LEADLINE_PLAN \\"{plan(phones(ring("101")))}\\"'
    script.write_text(
        '#!/bin/sh\nwhile read -r line && [ -n "$line" ]; do :; done\n'
        + (f'[ "$1" = 0449 ] && echo "{answer}" && read -r reply\n' if answers else "exec sleep 20\n")
    )
    script.chmod(0o755)
    lab.set_global("LEADLINE_AGI", "/var/lib/asterisk/leadline-agi")
    with lab.phone("101") as asked, lab.phone("103") as default:
        assert lab.call("0449").wait_one().status == 200
        assert [phone.account.user for phone in (asked, default) if phone.calls()] == [rung]


def run_script(listener: socket.socket, agi_port: int) -> int:
    """Run our script for one call, by way of a connection that has what Asterisk says and hears; give its status."""
    connection, _ = listener.accept()
    with connection:
        environment = {
            "PATH": os.environ["PATH"],
            "LEADLINE_FASTAGI_PORT": str(agi_port),
            "LEADLINE_DATABASE_URL": "sqlite+aiosqlite:////none/none.db",
        }
        return subprocess.run(
            [OUR_SCRIPT], stdin=connection, stdout=connection, env=environment, timeout=30, check=False
        ).returncode


def test_our_own_script_passes_the_servers_plan_on(lab: DialplanLab) -> None:
    """Asterisk lives in a tree that our Python is not in, so its script there is but a pipe to ours."""
    lab.agi.answers["0450"] = plan(phones(ring("101")))
    script = lab.asterisk.folder / "lib" / "leadline-agi"
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        listener.settimeout(30)
        script.write_text(
            f"#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/{listener.getsockname()[1]}\ncat <&0 >&3 &\nexec cat <&3\n"
        )
        script.chmod(0o755)
        status = pool.submit(run_script, listener, lab.values.fastagi_port)
        lab.set_global("LEADLINE_AGI", "/var/lib/asterisk/leadline-agi")
        try:
            with lab.phone("101") as asked, lab.phone("103"):
                assert lab.call("0450").wait_one().status == 200
                assert len(asked.calls()) == 1
        finally:
            lab.set_global("LEADLINE_AGI", f"agi://127.0.0.1:{lab.values.fastagi_port}/route")
        assert status.result() == 0
    lab.await_quiet()


def test_a_caller_who_gives_up_while_we_are_asked_leaves_no_channel(lab: DialplanLab) -> None:
    lab.agi.answers["0443"] = SILENT
    call = lab.call("0443", patience_seconds=0.4)
    lab.agi.asked("0443")
    assert call.wait_one().status == 487
    lab.await_quiet()


def test_the_conversation_outlives_the_guard(lab: DialplanLab) -> None:
    """The bound on the wait for an answer must not end the call that follows."""
    lab.agi.answers["0444"] = plan(phones(ring("101")))
    lab.agi.answers["0445"] = SILENT
    with lab.phone("101"), lab.phone("103"):
        calls = [lab.call(to, talk_seconds=2.5) for to in ("0444", "0445")]
        assert [call.wait_one().hung_up_by for call in calls] == ["caller", "caller"]


def test_the_dialled_numbers_own_default_wins(lab: DialplanLab) -> None:
    lab.set_global(f"{DID_PLAN}380446", plan(phones(ring("101"))))
    lab.agi.answers["+380446"] = CLOSES
    with lab.phone("101") as global_phone, lab.phone("102") as database_phone, lab.phone("103") as default:
        assert lab.call("+380446").wait_one().status == 200
        assert len(global_phone.calls()) == 1
        lab.asterisk.cli(f'database put {DID_FAMILY} 380446 "{plan(phones(ring("102")))}"')
        assert lab.call("+380446").wait_one().status == 200
        assert len(database_phone.calls()) == 1
        assert default.calls() == []


def test_one_key_takes_us_out_of_the_way_from_the_next_call_on(lab: DialplanLab) -> None:
    lab.agi.answers["0447"] = plan(phones(ring("101")))
    family, key = BYPASS
    with lab.phone("101") as asked, lab.phone("103") as default:
        lab.asterisk.cli(f"database put {family} {key} 1")
        try:
            assert lab.call("0447").wait_one().status == 200
        finally:
            lab.asterisk.cli(f"database del {family} {key}")
        assert len(default.calls()) == 1
        assert [question for question in lab.agi.questions if question.did == "0447"] == []
        assert lab.call("0447").wait_one().status == 200
        assert len(asked.calls()) == 1


def test_a_caller_whom_nobody_can_take_is_told_so(lab: DialplanLab) -> None:
    lab.agi.answers["0448"] = CLOSES
    assert lab.call("0448", patience_seconds=10).wait_one().status == 480


@pytest.mark.parametrize(("dialled", "did"), [("account-7", "none"), ("s", "none"), ("+", "+")])
def test_a_trunk_without_a_number_is_asked_about_too(lab: DialplanLab, dialled: str, did: str) -> None:
    lab.agi.answers[did] = plan(phones(ring("101")))
    with lab.phone("101"), lab.phone("103"):
        assert lab.call(dialled).wait_one().status == 200
        lab.agi.answers[did] = CLOSES
        assert lab.call(dialled).wait_one().status == 200
