"""Whose outgoing calls are recorded, as Asterisk keeps it on its side: in AstDB, or in leadline-defaults.conf (C12)."""

import re

from dialplan.words import OUTGOING_KEY, PHONE_KEY, RECORD_ALL, RECORD_NONE, RECORD_SOME
from leads.domain.recordings import RecordingRule

_PHONE = re.compile(r"[0-9A-Za-z._-]{1,50}")


def outgoing_entries(rule: RecordingRule) -> dict[str, str]:
    """The entries of AstDB's family; `outgoing` is always there, so that what is switched off stays off."""
    if rule.records_every_outgoing:
        return {OUTGOING_KEY: RECORD_ALL}
    phones = _phones(rule)
    chosen = {f"{PHONE_KEY}{phone}": RECORD_ALL for phone in phones}
    return {OUTGOING_KEY: RECORD_SOME if phones else RECORD_NONE, **chosen}


def outgoing_global(rule: RecordingRule) -> str:
    """The same as one value: all, none, or the phones as 101!102."""
    if rule.records_every_outgoing:
        return RECORD_ALL
    return "!".join(_phones(rule)) or RECORD_NONE


def _phones(rule: RecordingRule) -> list[str]:
    """The chosen phones as the dialplan knows them: an endpoint's name without its technology."""
    names = (endpoint.partition("/")[2] for endpoint in rule.outgoing_phones)
    return sorted(name for name in names if _PHONE.fullmatch(name))
