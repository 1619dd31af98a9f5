"""Looks at one Asterisk for `leadline check`: its accounts and their rights, its clock, its dialplan, its CEL."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from pydantic import SecretStr

from ami_listener.connection import tls_context
from ami_listener.link import AmiError, AmiLink, AmiRefusedError
from dialplan.words import CHECK, CHECKED, DIALPLAN, DIALPLAN_TOLD_BY, ROUTE_PATH
from leadline.check_control import look_by_control
from leadline.findings import Finding, Level, trouble
from leadline.pbx_settings import PbxSettings

CALL_SECONDS = 5.0
MOST_CLOCK_SECONDS = 2.0
CALL_EVENT = b"Newchannel"
_COPY_DIALPLAN = (
    "copy asterisk-conf/leadline.conf (for FreePBX freepbx/leadline-freepbx.conf too) over the one in /etc/asterisk,"
    " and `asterisk -rx 'dialplan reload'`"
)


async def look_at_ami(settings: PbxSettings) -> list[Finding]:
    """Whether the events account gets in, may read the running channels and no more, and the clocks agree."""
    name = "AMI events account"
    try:
        async with logged_in(settings, settings.ami_username, settings.ami_secret) as link:
            findings = [Finding(name, Level.GOOD, f"{settings.ami_username} is logged in, protocol {link.version}")]
            findings.append(await _clock(link))
            findings += await _rights(link)
            findings += await _dialplan(link)
    except (AmiError, OSError) as error:
        return [trouble(name, str(error), "correct LEADLINE_AMI_…, or Asterisk's manager.conf, and reload manager")]
    return findings


async def _rights(link: AmiLink) -> list[Finding]:
    findings = []
    try:
        await link.ask("CoreShowChannels")
    except AmiRefusedError:
        findings.append(trouble("AMI rights", "may not read the running channels", "give it write=reporting"))
    try:
        await link.ask("GetConfig", {"Filename": "manager.conf"})
    except AmiRefusedError:
        findings.append(Finding("AMI rights", Level.GOOD, "the events account may change nothing"))
    else:
        findings.append(
            trouble("AMI rights", "the events account has more rights than it needs", "give it write=reporting only")
        )
    return findings


async def _dialplan(link: AmiLink) -> list[Finding]:
    """Whether Asterisk holds the dialplan that this Leadline brings; it is read, so that no call has to tell it."""
    name = "leadline.conf"
    try:
        steps = await link.ask_list("ShowDialPlan", {"Context": CHECK, "Extension": DIALPLAN_TOLD_BY})
        told = str(steps[0].appdata) if steps else ""
    except AmiRefusedError as error:
        if "find context" in str(error):
            mend = "include leadline.conf as asterisk-conf/README.md tells, and `asterisk -rx 'dialplan reload'`"
            return [trouble(name, "is not in Asterisk's dialplan", mend)]
        if "find exten" not in str(error):
            return []  # What the account may not is told with its rights.
        told = ""
    theirs = int(told) if told.isdecimal() else 0
    if theirs == DIALPLAN:
        return [Finding(name, Level.GOOD, f"Asterisk has the one of this Leadline, version {DIALPLAN}")]
    if theirs > DIALPLAN:
        mend = "install the newer Leadline, which it came with"
        newer = f"Asterisk's is newer, version {theirs}, than this Leadline's, version {DIALPLAN}"
        return [trouble(name, newer, mend)]
    version = f"version {theirs}" if theirs else "of before there were versions"
    older = f"Asterisk's is older, {version}, than this Leadline's, version {DIALPLAN}"
    return [trouble(name, older, _COPY_DIALPLAN)]


async def _clock(link: AmiLink) -> Finding:
    before = time.time()
    answer = await link.ask("Ping")
    try:
        theirs = float(str(answer.timestamp))
    except (TypeError, ValueError):
        return Finding("clock", Level.NOTE, "Asterisk does not tell its time", "")
    difference = theirs - (before + time.time()) / 2
    if abs(difference) > MOST_CLOCK_SECONDS:
        return trouble("clock", f"Asterisk's differs from ours by {difference:+.1f} s", "run a time service on both")
    return Finding("clock", Level.GOOD, f"differs from Asterisk's by {abs(difference) * 1000:.0f} ms")


async def look_from_asterisk(settings: PbxSettings) -> list[Finding]:
    """Whether a call in Asterisk reaches FastAGI, its events reach us, and its files say what they should.

    Needs the control account.
    """
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
            logged_in(settings, settings.ami_control_username, settings.ami_control_secret) as control,
            logged_in(settings, settings.ami_username, settings.ami_secret, lambda _: heard.set()),
        ):
            return [
                await _from_dialplan(control, settings.pbx_name),
                await _call_events(heard),
                *await look_by_control(control, settings),
            ]
    except (AmiError, OSError) as error:
        return [trouble("from the dialplan", str(error), "see both accounts in asterisk-conf/manager.conf")]


async def _from_dialplan(control: AmiLink, pbx: str) -> Finding:
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
                asks_as = await _name_in_path(control)
                if asks_as not in (None, pbx):
                    return trouble(
                        "from the dialplan",
                        f"it asks in the name of {asks_as}",
                        f"let LEADLINE_AGI in leadline-globals.conf end with {ROUTE_PATH}/{pbx}",
                    )
                return Finding("from the dialplan", Level.GOOD, "a call in Asterisk gets its plan by FastAGI")
            return trouble(
                "from the dialplan",
                f"a call in Asterisk got no plan ({told.removeprefix(nonce).strip()})",
                f"correct LEADLINE_AGI, as agi://…/{ROUTE_PATH}/{pbx}, and LEADLINE_FASTAGI_ALLOW",
            )
        await asyncio.sleep(0.1)
    return trouble(
        "from the dialplan",
        f"a call to the context {CHECK} told nothing",
        "include leadline.conf and reload the dialplan",
    )


async def _name_in_path(control: AmiLink) -> str | None:
    """As which Asterisk the dialplan asks; None where it does not say so."""
    value = str((await control.ask("Getvar", {"Variable": "LEADLINE_AGI"})).value or "")
    _, named, name = value.partition(f"/{ROUTE_PATH}/")
    return name if named else None


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
        return trouble("call events", "the events account did not hear of a call", "give it read=call,agent,system")
    return Finding("call events", Level.GOOD, "the events account hears of calls")


@asynccontextmanager
async def logged_in(
    settings: PbxSettings, username: str, secret: SecretStr, on_event: Callable[[bytes], None] = lambda _: None
) -> AsyncIterator[AmiLink]:
    """A connection of an account to this Asterisk, for as long as the block lasts.

    Raises:
        AmiError, OSError: it is not let in.
    """
    tls = tls_context(settings.ami_tls_ca) if settings.ami_tls else None
    link = await AmiLink.open(settings.ami_host, settings.ami_port, on_event, frozenset({CALL_EVENT}), tls)
    try:
        await link.login(username, secret.get_secret_value())
        yield link
    finally:
        link.drop("the check is over")


LOOKS: tuple[tuple[str, Callable[[PbxSettings], Awaitable[list[Finding]]]], ...] = (
    ("AMI", look_at_ami),
    ("Asterisk's side", look_from_asterisk),
)
"""What to call each look that gives no answer, and the look."""
