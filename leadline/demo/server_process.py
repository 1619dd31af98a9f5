"""Runs `leadline serve` as the operator would, in a process of its own that cannot outlive the one that started it."""

import contextlib
import http.client
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType

_START_SECONDS = 30.0
_STOP_SECONDS = 15.0


class ServerProcessError(Exception):
    """The server did not come up; the text carries the end of its log."""


class ServerProcess:
    """One `leadline serve`. Start it from a thread that lives on: the kernel ties its life to that thread."""

    def __init__(self, settings: Mapping[str, str], *, log: Path, health_url: str) -> None:
        """`settings` are the LEADLINE_… variables; what this process itself has of them is not passed on."""
        self._settings = settings
        self._log = log
        self._health_url = health_url
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start without waiting; see `await_health`."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "leadline", "serve"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment(self._settings),
                start_new_session=True,
            )

    def await_health(self, seconds: float = _START_SECONDS) -> None:
        """Wait until /healthz says that all parts work.

        Raises:
            ServerProcessError: it ended, or does not say so in time.
        """
        self._await(lambda status: status == HTTPStatus.OK, seconds, "healthy")

    def await_answer(self, seconds: float = _START_SECONDS) -> None:
        """Wait until /healthz says anything, also that a part does not work.

        Raises:
            ServerProcessError: it ended, or says nothing in time.
        """
        self._await(lambda status: status is not None, seconds, "there")

    def _await(self, good: Callable[[int | None], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:
            if good(self._health()):
                return
            time.sleep(0.05)
        raise ServerProcessError(f"`leadline serve` is not {what}; the end of its log:\n{self.log_tail()}")

    def stop(self) -> None:
        """End it as an operator does (SIGTERM); after 15 s by force. Does nothing when it does not run."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(5)
            self._process = None

    def pause(self) -> None:
        """Freeze it (SIGSTOP): it accepts connections and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that it logged."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:]) if self._log.is_file() else ""

    def __enter__(self) -> "ServerProcess":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _health(self) -> int | None:
        """The status of /healthz; None when nothing answers."""
        # A proxy that the environment names is no way to the loopback; a certificate is not what is asked here.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(self._health_url, timeout=2) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except (OSError, http.client.HTTPException):
            return None


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with `settings` as the only ones of Leadline's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LEADLINE_")} | dict(settings)
