"""Runs a real Asterisk out of the read-only Debian tree, as many at once as one likes, and leaves nothing behind.

Each instance sees its own configuration, data, logs and run folder mounted over the places where Debian's Asterisk
looks for them, in a mount and process namespace of its own: when the program that started it ends, in whatever way,
the kernel ends Asterisk, everything Asterisk started, and the mounts.
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType

from dialplan.render import AsteriskValues, render_asterisk_conf
from leadline.demo.idle_sockets import close_to_network

_START_SECONDS = 30.0
_STOP_SECONDS = 5.0
_CLI_SECONDS = 10.0

# Places of Debian's Asterisk, each with the instance's folder that is mounted over it.
_MOUNTS = {
    "etc/asterisk": "etc",
    "var/lib/asterisk": "lib",
    "var/log/asterisk": "log",
    "var/spool/asterisk": "spool",
    "run/asterisk": "run",
}

# Run inside the new namespaces. The tree itself is made read-only first, so that instances cannot disturb each other.
_ENTER = """
set -e
mount --bind "$ROOT" "$ROOT"
mount -o remount,bind,ro "$ROOT"
mount -t proc proc "$ROOT/proc"
mount -t tmpfs tmpfs "$ROOT/run"
mount -t tmpfs tmpfs "$ROOT/tmp"
mkdir "$ROOT/run/asterisk"
mount --bind "$INSTANCE/hosts" "$ROOT/etc/hosts"
mount --bind "$INSTANCE/resolv.conf" "$ROOT/etc/resolv.conf"
{mounts}
exec chroot "$ROOT" setpriv --reuid asterisk --regid asterisk --clear-groups --pdeathsig KILL \\
    asterisk -f -C /etc/asterisk/asterisk.conf
"""


class AsteriskError(Exception):
    """Asterisk did not do what was asked in time; the text carries the end of its log."""


class AsteriskInstance:
    """One running Asterisk.

    Put its configuration into `etc` (see `configure`), then `start`. It must be started from the main thread: the
    kernel ties its life to the thread that started it.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        """`folder` is the instance's own, kept between starts; `root` the tree of `asterisk_root.ensure_root`."""
        self.folder = folder.resolve()
        self.root = root.resolve()
        self.etc = self.folder / "etc"
        self.log = self.folder / "log"
        self._sip_port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, values: AsteriskValues) -> None:
        """Make the instance's folders and write asterisk-conf, filled with `values`, into `etc`."""
        self._make_folders()
        render_asterisk_conf(self.etc, values)
        self._sip_port = values.sip_port

    def _make_folders(self) -> None:
        """The machine's own name must resolve, or each call waits for a name server."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in _MOUNTS.values():
            (self.folder / name).mkdir(exist_ok=True)
        for name in ("cel-custom", "cdr-csv", "cdr-custom"):
            (self.log / name).mkdir(exist_ok=True)
        for name in ("monitor", "monitor/leadline", "outgoing", "tmp", "recording", "system", "voicemail"):
            (self.folder / "spool" / name).mkdir(exist_ok=True)
        (self.folder / "hosts").write_text(f"127.0.0.1 localhost {socket.gethostname()}\n::1 localhost\n")
        # All addresses are given as numbers: nothing needs to ask a name server of the network.
        (self.folder / "resolv.conf").write_text("")

    def start(self) -> None:
        """Start and return when Asterisk has fully booted (one to two seconds).

        Raises:
            AsteriskError: it ended or did not boot within 30 s.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("start Asterisk from the main thread: it ends with the thread that started it")
        if self.running:
            raise RuntimeError("this Asterisk runs already")
        self._own_folders()
        self.control.unlink(missing_ok=True)
        mounts = "\n".join(f'mount --bind "$INSTANCE/{ours}" "$ROOT/{theirs}"' for theirs, ours in _MOUNTS.items())
        with (self.folder / "console.txt").open("wb") as console:
            self._process = subprocess.Popen(
                [
                    "setpriv",
                    "--pdeathsig",
                    "KILL",
                    "unshare",
                    "--mount",
                    "--pid",
                    "--fork",
                    "--kill-child=KILL",
                    "sh",
                    "-c",
                    _ENTER.format(mounts=mounts),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={"PATH": os.environ.get("PATH", os.defpath), "ROOT": str(self.root), "INSTANCE": str(self.folder)},
            )
        self._await_boot()
        close_to_network(self.pid, but_port=self._sip_port)

    def stop(self) -> None:
        """End it, politely first; does nothing when it does not run."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            with contextlib.suppress(AsteriskError):
                self.resume()
                self.cli("core stop now", seconds=_STOP_SECONDS)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL); its ports are free then."""
        if self._process is None:
            return
        with contextlib.ExitStack() as stack:
            asterisk: list[int] = []
            with contextlib.suppress(AsteriskError, OSError):  # it may have ended already
                asterisk.append(os.pidfd_open(self.pid))
                stack.callback(os.close, asterisk[0])
            self._process.kill()
            self._process.wait(_STOP_SECONDS)
            # The kernel ends it a moment after the one that holds its namespaces.
            select.select(asterisk, [], [], _STOP_SECONDS if asterisk else 0)
        self._process = None

    def restart(self) -> None:
        """Stop and start again with whatever configuration `etc` now holds."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        os.kill(self.pid, signal.SIGCONT)

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The Asterisk process itself, which is the only child of the one that holds its namespaces."""
        if self._process is None or not self.running:
            raise AsteriskError("Asterisk does not run")
        parent = self._process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        if not children:
            raise AsteriskError("Asterisk has just ended")
        return int(children[0])

    def cli(self, command: str, *, seconds: float = _CLI_SECONDS) -> str:
        """Run one console command; see `ask_console`."""
        return ask_console(self.control, command, seconds=seconds)

    def channels(self) -> list[str]:
        """The names of all channels that exist now; empty after every call has ended."""
        return [row[0] for row in self.channel_rows()]

    def channel_rows(self) -> list[list[str]]:
        """All channels as the console tells them: name, context, extension, priority, state, application …

        Count behind the application from the end: what it was given has exclamation marks of its own. The last two are
        the bridge and the uniqueid, the seventh from the end is the caller's number.
        """
        lines = self.cli("core show channels concise").splitlines()
        return [line.split("!") for line in lines if "!" in line]

    def __enter__(self) -> "AsteriskInstance":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def recordings(self) -> Path:
        """The folder that LEADLINE_RECORDINGS names."""
        return self.folder / "spool" / "monitor" / "leadline"

    @property
    def control(self) -> Path:
        """The socket of its console."""
        return self.folder / "run" / "asterisk.ctl"

    def _own_folders(self) -> None:
        """Give all to the account that Debian made for Asterisk in the tree: it does not run as root."""
        line = next(row for row in (self.root / "etc/passwd").read_text().splitlines() if row.startswith("asterisk:"))
        uid, gid = (int(part) for part in line.split(":")[2:4])
        os.chmod(self.folder, 0o755)  # noqa: S103 - the process enters by mounts; secrets are in files of mode 0640
        for name in _MOUNTS.values():
            for path in (self.folder / name, *(self.folder / name).rglob("*")):
                os.chown(path, uid, gid, follow_symlinks=False)

    def _await_boot(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            if self.control.exists():
                with contextlib.suppress(AsteriskError):
                    # One that ends while it boots closes the console without a word.
                    booted = self.cli("core waitfullybooted", seconds=max(0.1, deadline - time.monotonic()))
                    # It says so a moment before it knows the last of its commands, as how to stop.
                    if "fully booted" in booted and self.cli("core show version").startswith("Asterisk"):
                        return
            time.sleep(0.02)
        report = self._last_words()
        self.kill()
        raise AsteriskError(f"Asterisk did not start; its last words:\n{report}")

    def _last_words(self) -> str:
        words = []
        for path in (self.folder / "console.txt", self.log / "messages.log", self.log / "full"):
            if path.is_file():
                words += path.read_text(errors="replace").splitlines()[-15:]
        return "\n".join(words)


def ask_console(control: Path, command: str, *, seconds: float = _CLI_SECONDS) -> str:
    """Run one console command by Asterisk's control socket and return what it prints.

    Raises:
        AsteriskError: the socket is not there or did not answer within `seconds`.
    """
    if any(ord(letter) < 32 for letter in command):
        raise ValueError("a console command is one line")
    # The folder's descriptor stands for its path: socket addresses are limited to 107 bytes, folders are not.
    try:
        folder = os.open(control.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as console:
                console.settimeout(seconds)
                console.connect(f"/proc/self/fd/{folder}/{control.name}")
                console.sendall(f"cli quit after {command}".encode() + b"\0")
                return _console_text(console, time.monotonic() + seconds)
        finally:
            os.close(folder)
    except OSError as error:
        raise AsteriskError(f"console command {command!r}: {error or type(error).__name__}") from error


def _console_text(console: socket.socket, deadline: float) -> str:
    """Read until Asterisk closes; the first line is its greeting."""
    received = bytearray()
    while True:
        console.settimeout(max(0.01, deadline - time.monotonic()))
        chunk = console.recv(65536)
        if not chunk:
            break
        received += chunk
    _greeting, _, text = received.decode(errors="replace").partition("\n")
    return text.replace("\0", "").strip()
