"""Looks at what only the control account may see: Asterisk's own files, its endpoints, and the key that bypasses us."""

from collections.abc import Iterable
from typing import Any

from ami_listener.link import AmiLink, AmiRefusedError
from ami_listener.trunks import trunk_matcher
from dialplan.words import BYPASS
from leadline.findings import Finding, Level, trouble
from leadline.pbx_settings import PbxSettings

CLASSES = ("agent", "system")
"""What the events account must hear beside calls: without agent no queue is on record, without system no restart."""
CEL_EVENTS = ("CHAN_START", "CHAN_END", "ANSWER", "HANGUP", "BRIDGE_ENTER", "BRIDGE_EXIT")
"""Without these a missed call cannot be completed."""
_YES = frozenset({"yes", "true", "y", "t", "1", "on"})


async def look_by_control(control: AmiLink, settings: PbxSettings) -> list[Finding]:
    """Whether the events account hears all, CEL keeps all, trunks are known, and calls are not led past us."""
    return [
        *await _account(control, settings.ami_username),
        await _cel(control),
        *await _trunks(control, settings.trunks),
        *await _bypass(control),
    ]


async def _lines(control: AmiLink, file: str, category: str) -> dict[str, str] | None:
    """What a section of a file says, the last line of a name; None where there is no such section."""
    try:
        answer: Any = await control.ask("GetConfig", {"Filename": file, "Category": category})
    except AmiRefusedError:
        return None
    pairs = (str(value).partition("=") for key, value in answer.items() if str(key).startswith("Line-"))
    return {name.strip().lower(): value.strip().lower() for name, _, value in pairs}


def _missing(needed: Iterable[str], given: str) -> list[str]:
    words = {word.strip() for word in given.split(",")}
    return [] if "all" in words else [word for word in needed if word.lower() not in words]


async def _account(control: AmiLink, username: str) -> list[Finding]:
    findings = []
    account = await _lines(control, "manager.conf", username)
    missing = _missing(CLASSES, account.get("read", "")) if account else []
    if missing:
        told = f"the events account does not hear of {', '.join(missing)}"
        findings.append(trouble("call events", told, "give it read=call,agent,system"))
    general = await _lines(control, "manager.conf", "general")
    if general is not None and general.get("timestampevents") not in _YES:
        told = "tell no time of their own: under load, times of calls are those at which we hear of them"
        findings.append(
            Finding("call events", Level.NOTE, told, "set timestampevents = yes in manager.conf, [general]")
        )
    return findings


async def _cel(control: AmiLink) -> Finding:
    general = await _lines(control, "cel.conf", "general") or {}
    mend = "(see asterisk-conf/cel.conf) and reload cel"
    if general.get("enable") not in _YES:
        return trouble("CEL", "is off", f"set enable=yes in cel.conf {mend}")
    missing = _missing(CEL_EVENTS, general.get("events", ""))
    if missing:
        return trouble("CEL", f"keeps no {', '.join(missing)}", f"name these events in cel.conf {mend}")
    return Finding("CEL", Level.GOOD, "is on")


async def _trunks(control: AmiLink, patterns: tuple[str, ...]) -> list[Finding]:
    """Calls over a trunk that we do not know for one would be calls between phones."""
    ours = [pattern for pattern in patterns if pattern.startswith("PJSIP/")]
    try:
        rows = await control.ask_list("PJSIPShowEndpoints", {})
    except AmiRefusedError:
        return []  # no PJSIP, or no endpoint
    names = [f"PJSIP/{row.objectname}-00000000" for row in rows]
    strange = [pattern for pattern in ours if not any(map(trunk_matcher([pattern]), names))]
    if not strange:
        return []
    told = f"no endpoint of Asterisk is called like {', '.join(strange)}"
    mend = "correct LEADLINE_TRUNKS: `asterisk -rx 'pjsip show endpoints'` has the names"
    if strange == list(patterns):
        return [trouble("trunks", f"{told}: no call would come from outside", mend)]
    return [Finding("trunks", Level.NOTE, told, mend)]


async def _bypass(control: AmiLink) -> list[Finding]:
    family, key = BYPASS
    try:
        rows = await control.ask_list("DBGet", {"Family": family, "Key": key})
    except AmiRefusedError:
        return []
    # The dialplan takes any value but these for yes.
    if not rows or str(rows[0].val) in ("", "0"):
        return []
    mend = f"to end that: asterisk -rx 'database del {family} {key}'"
    return [Finding("bypass", Level.NOTE, "is on: calls are led past Leadline", mend)]
