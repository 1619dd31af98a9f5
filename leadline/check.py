"""Looks at an installation as it is, and says what is wrong and how to mend it; changes nothing but one AstDB key.

Each look has a deadline and stands alone: what is not reachable must not hide what else is wrong.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from agi.protocol import set_variable
from ami_listener.connection import tls_context
from ami_listener.link import AmiError, AmiLink, AmiRefusedError
from dialplan.words import CHECK, CHECK_DID, CHECKED, PLAN, ROUTE_PATH
from leadline.settings import Settings
from leads.domain.directory import Directory
from leads.store.directory import load_directory
from leads.store.engine import Database
from leads.store.migrate import revisions

LOOK_SECONDS = 15.0
CALL_SECONDS = 5.0
MOST_CLOCK_SECONDS = 2.0
CALL_EVENT = b"Newchannel"


class Level(StrEnum):
    """How bad a finding is."""

    GOOD = "good"
    NOTE = "note"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found; `mend` says what to do about it."""

    name: str
    level: Level
    detail: str
    mend: str = ""

    @property
    def is_trouble(self) -> bool:
        """Whether something must be mended."""
        return self.level is Level.TROUBLE

    def as_text(self) -> str:
        """One or two lines for people."""
        mark = {Level.GOOD: "ok  ", Level.NOTE: "note", Level.TROUBLE: "FAIL"}[self.level]
        return f"{mark}  {self.name}: {self.detail}" + (f"\n      → {self.mend}" if self.mend else "")

    def as_json(self) -> dict[str, str]:
        """The same for programs."""
        return asdict(self)


Look = Callable[[Settings], Awaitable[list[Finding]]]


async def check_installation(settings: Settings) -> list[Finding]:
    """Take every look, one after the other."""
    looks: tuple[tuple[str, Look], ...] = (
        ("database", look_at_database),
        ("FastAGI", look_at_fastagi),
        ("AMI", look_at_ami),
        ("Asterisk's side", look_from_asterisk),
        ("CEL file", look_at_cel_file),
    )
    findings: list[Finding] = []
    for name, look in looks:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                findings += await look(settings)
        except TimeoutError:
            findings.append(
                Finding(name, Level.TROUBLE, f"no answer within {LOOK_SECONDS:g} s", "see whether it hangs")
            )
    return findings


async def look_at_database(settings: Settings) -> list[Finding]:
    """Whether it answers, has our tables, and tells calls where to go."""
    try:
        current, head = await revisions(settings.database_url)
        if current != head:
            return [_trouble("database", f"at revision {current or 'none'}, needs {head}", "run `leadline migrate`")]
        database = Database(settings.database_url)
        try:
            async with database.read() as session:
                directory = await load_directory(session)
        finally:
            await database.dispose()
    except (SQLAlchemyError, OSError) as error:
        return [_trouble("database", str(error).splitlines()[0], "correct LEADLINE_DATABASE_URL or start the database")]
    return [Finding("database", Level.GOOD, f"answers, at revision {head}"), *_ways_of_calls(settings, directory)]


def _ways_of_calls(settings: Settings, directory: Directory) -> list[Finding]:
    findings = []
    if not directory.dids:
        findings.append(
            Finding("our numbers", Level.NOTE, "none is registered", "add them in the panel under Our numbers")
        )
    default = settings.default_extension
    if default and default not in directory.extensions:
        findings.append(
            _trouble(
                "default phone",
                f"{default} is no registered phone",
                "correct LEADLINE_DEFAULT_EXTENSION or add the phone",
            )
        )
    for did in directory.dids.values():
        rings = did.queue or did.default_extension or default
        group = directory.groups.get(did.group_id) if did.group_id else None
        if not rings and not (group and group.extensions):
            findings.append(
                _trouble(
                    f"number {did.number}",
                    "an unknown caller would reach nobody",
                    "give it a group with phones, a queue or a default phone in the panel",
                )
            )
    return findings


async def look_at_fastagi(settings: Settings) -> list[Finding]:
    """Whether the server answers a question from here."""
    where = f"{settings.fastagi_host}:{settings.fastagi_port}"
    question = f"agi_network: yes\nagi_network_script: {ROUTE_PATH}\nagi_callerid: unknown\nagi_arg_1: {CHECK_DID}\n\n"
    expected = set_variable(PLAN, "").decode().split('"')[0]
    try:
        async with asyncio.timeout(CALL_SECONDS):
            reader, writer = await asyncio.open_connection(settings.fastagi_host, settings.fastagi_port)
            try:
                writer.write(question.encode())
                answer = (await reader.readline()).decode(errors="replace")
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        why = str(error) or "no answer"
        return [
            _trouble("FastAGI", f"{where}: {why}", "start `leadline serve`, or correct LEADLINE_FASTAGI_HOST and _PORT")
        ]
    if not answer.startswith(expected):
        return [_trouble("FastAGI", f"{where} gave no plan", "see whether something else listens there")]
    return [Finding("FastAGI", Level.GOOD, f"{where} answers with a plan")]


async def look_at_ami(settings: Settings) -> list[Finding]:
    """Whether the events account gets in, may read the running channels and no more, and the clocks agree."""
    name = "AMI events account"
    try:
        async with _logged_in(settings, settings.ami_username, settings.ami_secret) as link:
            findings = [Finding(name, Level.GOOD, f"{settings.ami_username} is logged in, protocol {link.version}")]
            findings.append(await _clock(link))
            findings += await _rights(link)
    except (AmiError, OSError) as error:
        return [_trouble(name, str(error), "correct LEADLINE_AMI_…, or Asterisk's manager.conf, and reload manager")]
    return findings


async def _rights(link: AmiLink) -> list[Finding]:
    findings = []
    try:
        await link.ask("CoreShowChannels")
    except AmiRefusedError:
        findings.append(_trouble("AMI rights", "may not read the running channels", "give it write=reporting"))
    try:
        await link.ask("GetConfig", {"Filename": "manager.conf"})
    except AmiRefusedError:
        findings.append(Finding("AMI rights", Level.GOOD, "the events account may change nothing"))
    else:
        findings.append(
            _trouble("AMI rights", "the events account has more rights than it needs", "give it write=reporting only")
        )
    return findings


async def _clock(link: AmiLink) -> Finding:
    before = time.time()
    answer = await link.ask("Ping")
    try:
        theirs = float(str(answer.timestamp))
    except (TypeError, ValueError):
        return Finding("clock", Level.NOTE, "Asterisk does not tell its time", "")
    difference = theirs - (before + time.time()) / 2
    if abs(difference) > MOST_CLOCK_SECONDS:
        return _trouble("clock", f"Asterisk's differs from ours by {difference:+.1f} s", "run a time service on both")
    return Finding("clock", Level.GOOD, f"differs from Asterisk's by {abs(difference) * 1000:.0f} ms")


async def look_from_asterisk(settings: Settings) -> list[Finding]:
    """Whether a call in Asterisk reaches FastAGI, its events reach us, and CEL is on; needs the control account."""
    if not settings.ami_control_secret.get_secret_value():
        return [
            Finding(
                "from the dialplan",
                Level.NOTE,
                "not looked at: no control account is set",
                f"dial 1@{CHECK} by hand, or set LEADLINE_AMI_CONTROL_SECRET for the time of the check",
            )
        ]
    heard = asyncio.Event()
    try:
        async with (
            _logged_in(settings, settings.ami_control_username, settings.ami_control_secret) as control,
            _logged_in(settings, settings.ami_username, settings.ami_secret, lambda _: heard.set()),
        ):
            return [await _from_dialplan(control), await _call_events(heard), await _cel_is_on(control)]
    except (AmiError, OSError) as error:
        return [
            _trouble("from the dialplan", str(error), "see the account leadline-control in asterisk-conf/manager.conf")
        ]


async def _from_dialplan(control: AmiLink) -> Finding:
    """Start a call to the check's context; it leaves what AGI() said in AstDB, under a number of this check's own."""
    nonce = str(secrets.randbelow(10**9) + 10**9)
    await control.ask(
        "Originate", {"Channel": f"Local/{nonce}@{CHECK}", "Application": "Wait", "Data": "1", "Async": "true"}
    )
    deadline = time.monotonic() + CALL_SECONDS
    while time.monotonic() < deadline:
        told = await _database_value(control, *CHECKED)
        if told is not None and told.startswith(nonce):
            if told.endswith(" plan"):
                return Finding("from the dialplan", Level.GOOD, "a call in Asterisk gets its plan by FastAGI")
            return _trouble(
                "from the dialplan",
                f"a call in Asterisk got no plan ({told.removeprefix(nonce).strip()})",
                "correct LEADLINE_AGI in leadline-globals.conf and LEADLINE_FASTAGI_ALLOW",
            )
        await asyncio.sleep(0.1)
    return _trouble(
        "from the dialplan",
        f"a call to the context {CHECK} told nothing",
        "include leadline.conf and reload the dialplan",
    )


async def _database_value(control: AmiLink, family: str, key: str) -> str | None:
    try:
        rows = await control.ask_list("DBGet", {"Family": family, "Key": key})
    except AmiRefusedError:
        return None
    return str(rows[0].val) if rows else None


async def _call_events(heard: asyncio.Event) -> Finding:
    try:
        await asyncio.wait_for(heard.wait(), 1.0)
    except TimeoutError:
        return _trouble("call events", "the events account did not hear of a call", "give it read=call,agent,system")
    return Finding("call events", Level.GOOD, "the events account hears of calls")


async def _cel_is_on(control: AmiLink) -> Finding:
    answer: Any = await control.ask("GetConfig", {"Filename": "cel.conf", "Category": "general"})
    lines = {str(value).replace(" ", "").lower() for key, value in answer.items() if str(key).startswith("Line-")}
    if "enable=yes" not in lines:
        return _trouble("CEL", "is off", "set enable=yes in cel.conf (see asterisk-conf/cel.conf) and reload cel")
    return Finding("CEL", Level.GOOD, "is on")


async def look_at_cel_file(settings: Settings) -> list[Finding]:
    """Whether the CEL file, where it is on this machine, is there and can be read."""
    path = settings.asterisk_cel_file
    if path is None:
        return []
    try:
        age = time.time() - await asyncio.to_thread(_last_write, path)
    except OSError as error:
        return [
            _trouble("CEL file", f"{path}: {error.strerror}", "correct LEADLINE_ASTERISK_CEL_FILE or its permissions")
        ]
    return [Finding("CEL file", Level.GOOD, f"{path} was written {age:.0f} s ago")]


def _last_write(path: Path) -> float:
    with path.open("rb"):
        return path.stat().st_mtime


@asynccontextmanager
async def _logged_in(
    settings: Settings, username: str, secret: SecretStr, on_event: Callable[[bytes], None] = lambda _: None
) -> AsyncIterator[AmiLink]:
    tls = tls_context(settings.ami_tls_ca) if settings.ami_tls else None
    link = await AmiLink.open(settings.ami_host, settings.ami_port, on_event, frozenset({CALL_EVENT}), tls)
    try:
        await link.login(username, secret.get_secret_value())
        yield link
    finally:
        link.drop("the check is over")


def _trouble(name: str, detail: str, mend: str) -> Finding:
    return Finding(name, Level.TROUBLE, detail, mend)
