"""What the demonstration keeps between runs (secrets), and what one run tells another program (where it listens)."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from dialplan.render import PHONES
from leadline.demo.scenarios import Account

_LOCK = "run.lock"
_SECRETS = "secrets.json"
_RUNNING = "running.json"
_SETTINGS = "leadline.env"


class DemoError(Exception):
    """The demonstration cannot go on; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Passwords of this installation's own; they stay, so that a softphone set up once works the next day."""

    ami_events: str
    ami_control: str
    phones: dict[str, str]

    def account(self, number: str) -> Account:
        """How phone `number` signs in."""
        return Account(number, self.phones[number])


@dataclass(frozen=True, slots=True)
class Running:
    """Where a running demonstration can be reached; Asterisk by its control socket or, in a container, its project."""

    sip_address: str
    sip_port: int
    panel: str
    database_url: str
    region: str
    console: str
    container: str


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Hold the place of the one demonstration that may run in `folder`.

    Raises:
        DemoError: another one holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    with (folder / _LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise DemoError(
                f"`make run` is running already (process {file.read().strip() or 'unknown'}); "
                "end it with Ctrl+C there before you start it here"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            for name in (_RUNNING, _SETTINGS):
                (folder / name).unlink(missing_ok=True)
            file.truncate(0)


def keep_secrets(folder: Path) -> Secrets:
    """This installation's secrets, made at the first run."""
    path = folder / _SECRETS
    if not path.is_file():
        made = Secrets(
            secrets.token_hex(16), secrets.token_hex(16), {number: secrets.token_hex(8) for number in PHONES}
        )
        write_private(path, json.dumps(asdict(made), indent=1))
    try:
        return Secrets(**json.loads(path.read_text()))
    except (ValueError, TypeError):
        raise DemoError(f"{path} is damaged; delete it, and the phones get new passwords") from None


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, and never half of it."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.replace(path)


def announce(folder: Path, running: Running, settings: Mapping[str, str]) -> None:
    """Tell other programs where the demonstration listens, and its server's settings, until it ends."""
    lines = (f"{name}={_quoted(value)}\n" for name, value in settings.items())
    write_private(folder / _SETTINGS, "".join(lines))
    write_private(folder / _RUNNING, json.dumps(asdict(running)))


def find_running(folder: Path) -> Running:
    """The demonstration that runs in `folder` now.

    Raises:
        DemoError: none does.
    """
    none = DemoError("nothing runs here: start `make run` in another terminal, and try again when it says “ready”")
    try:
        with (folder / _LOCK).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Running(**json.loads((folder / _RUNNING).read_text()))
    except (OSError, ValueError, TypeError):
        raise none from None
    raise none


def running_settings(folder: Path) -> Path | None:
    """The settings file of the demonstration that runs in `folder` now; None where none does."""
    try:
        find_running(folder)
    except DemoError:
        return None
    return folder / _SETTINGS


def _quoted(value: str) -> str:
    """As a settings file takes any value."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
