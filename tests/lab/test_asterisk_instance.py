"""An Asterisk of the lab leaves nothing behind, however its owner ends, and two do not disturb each other."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from dialplan.render import PHONES, AsteriskValues
from leadline.demo.asterisk import AsteriskError, AsteriskInstance
from leadline.demo.asterisk_root import ensure_root
from leadline.demo.sipp import await_value, free_port, port_is_free
from tests.listening import heard_beyond_loopback


def values() -> AsteriskValues:
    return AsteriskValues(
        ami_events_secret=secrets.token_hex(8),
        phone_secrets=dict.fromkeys(PHONES, secrets.token_hex(8)),
        sip_port=free_port(socket.SOCK_DGRAM),
        trunk_port=free_port(socket.SOCK_DGRAM),
        ami_port=free_port(socket.SOCK_STREAM),
        fastagi_port=free_port(socket.SOCK_STREAM),
    )


def make(folder: Path, chosen: AsteriskValues | None = None) -> AsteriskInstance:
    instance = AsteriskInstance(folder, ensure_root())
    instance.configure(chosen or values())
    return instance


def processes_with(folder: Path) -> list[str]:
    """Living processes that see `folder` mounted, which is what an Asterisk of that folder does."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder) in (process / "mountinfo").read_text():
                found.append(process.name)
        except OSError:
            continue
    return found


def test_two_run_at_once_and_keep_their_data_apart_and_over_a_restart(tmp_path: Path) -> None:
    with make(tmp_path / "one") as one, make(tmp_path / "two") as two:
        one.start()
        two.start()
        one.cli("database put test which one")
        two.cli("database put test which two")
        one.restart()
        assert (one.cli("database get test which"), two.cli("database get test which")) == ("Value: one", "Value: two")
        assert one.pid != two.pid
    assert processes_with(tmp_path) == []
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_it_ends_with_its_owner_even_when_that_is_killed(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from tests.lab.test_asterisk_instance import make
        instance = make(Path(sys.argv[1]))
        instance.start()
        print("started", flush=True)
        time.sleep(60)
        """
    )
    owner = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "one")], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert owner.stdout.readline() == "started\n"
    assert processes_with(tmp_path)
    owner.kill()
    owner.wait()
    await_value(lambda: not processes_with(tmp_path) or None, 20, "Asterisk to end with its owner")


def test_one_that_was_killed_has_left_its_ports(tmp_path: Path) -> None:
    """Started anew at once, it would find them taken, and run without SIP."""
    chosen = values()
    with make(tmp_path / "one", chosen) as instance:
        instance.start()
        instance.kill()
        assert port_is_free(socket.SOCK_DGRAM, "127.0.0.1", chosen.sip_port)


def test_it_does_not_run_as_root(tmp_path: Path) -> None:
    with make(tmp_path / "one") as instance:
        instance.start()
        owner = Path(f"/proc/{instance.pid}").stat().st_uid
    assert owner != os.geteuid()


def test_a_frozen_one_says_nothing_and_can_go_on(tmp_path: Path) -> None:
    chosen = values()
    with make(tmp_path / "one", chosen) as instance:
        instance.start()
        instance.pause()
        with socket.create_connection(("127.0.0.1", chosen.ami_port), 5) as ami:
            ami.settimeout(0.3)
            with pytest.raises(TimeoutError):
                ami.recv(1)
            instance.resume()
            ami.settimeout(5)
            assert ami.recv(1) == b"A"
        assert instance.cli("core show version").startswith("Asterisk 22")
        os.kill(instance.pid, signal.SIGKILL)
        await_value(lambda: not instance.running or None, 20, "the holder of the namespaces to end with Asterisk")


def test_it_hears_nobody_but_this_machine(tmp_path: Path) -> None:
    with make(tmp_path / "one") as instance:
        instance.start()
        assert heard_beyond_loopback([instance.pid]) == set()
        assert "transport-udp" in instance.cli("pjsip show transports")


def test_one_that_is_to_hear_the_network_does(tmp_path: Path) -> None:
    chosen = replace(values(), sip_address="0.0.0.0")
    with make(tmp_path / "one", chosen) as instance:
        instance.start()
        assert heard_beyond_loopback([instance.pid]) == {f"0.0.0.0:{chosen.sip_port}"}


def test_one_that_cannot_start_says_why(tmp_path: Path) -> None:
    instance = make(tmp_path / "one")
    (instance.etc / "asterisk.conf").unlink()
    (instance.etc / "modules.conf").write_text("[modules]\nautoload=no\nrequire=no_such_module.so\n")
    with pytest.raises(AsteriskError, match="no_such_module"):
        instance.start()
    assert processes_with(tmp_path) == []


def test_the_console_takes_one_line_only(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one line"):
        AsteriskInstance(tmp_path, tmp_path).cli("core show version\0core stop now")


def test_a_thread_that_may_end_cannot_start_one(tmp_path: Path) -> None:
    caught: list[Exception] = []

    def start() -> None:
        try:
            make(tmp_path / "one").start()
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(caught[0])
