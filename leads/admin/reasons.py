"""Tells in the reader's language why a call went where it went (C5); the codes are the domain's."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from leads.admin.i18n import N_, _, short_time
from leads.domain.duty import AbsenceKind
from leads.domain.people import PersonKind
from leads.domain.reasons import ChainRole, Reason, ReasonCode, read_reason

_SENTENCES: Mapping[ReasonCode, str] = {
    ReasonCode.CALLER_HIDDEN: N_("The caller's number is hidden."),
    ReasonCode.CALLER_SHORT: N_("The caller's number “%(number)s” is a short number, so nobody was looked up."),
    ReasonCode.CALLER_UNREADABLE: N_(
        "The caller's number “%(number)s” is no telephone number, so nobody was looked up."
    ),
    ReasonCode.CALLER_NOT_TOLD: N_(
        "The database did not tell in time who %(number)s is: Asterisk's own copy does, and for a number that it does "
        "not have the call goes as an unknown caller's."
    ),
    ReasonCode.CALLER_UNKNOWN: N_("%(number)s is unknown: no lead, counterparty or contact person has this number."),
    ReasonCode.CALLER_KNOWN: N_("%(number)s is %(people)s."),
    ReasonCode.CALLER_SHARED: N_("%(number)s belongs to several: %(people)s."),
    ReasonCode.CALLER_PINNED: N_("%(number)s is pinned to %(people)s."),
    ReasonCode.NOBODY_RESPONSIBLE: N_("Nobody is responsible for this caller."),
    ReasonCode.SEVERAL_RESPONSIBLE: N_("Several are responsible (%(employees)s), so nobody's phone rings first."),
    ReasonCode.EMPLOYEE_RINGS: N_("Rings for %(seconds)s s: %(phones)s."),
    ReasonCode.EMPLOYEE_LEFT: N_("Does not work here any more."),
    ReasonCode.EMPLOYEE_WITHOUT_PHONE: N_("Has no phone."),
    ReasonCode.EMPLOYEE_ABSENT: N_("Takes no calls now: %(why)s."),
    ReasonCode.NUMBER_NOT_OURS: N_("The dialled number %(number)s is not one of ours."),
    ReasonCode.NUMBER_NOT_KNOWN: N_("The dialled number is not known."),
    ReasonCode.NUMBER_WITHOUT_ROUTE: N_("%(number)s has neither a group nor a queue."),
    ReasonCode.QUEUE_WAITS: N_("%(number)s leads to the queue %(queue)s. Waiting time: %(seconds)s s."),
    ReasonCode.GROUP_RINGS: N_("%(number)s leads to the group %(group)s. Rings for %(seconds)s s: %(phones)s."),
    ReasonCode.GROUP_EMPTY: N_("%(number)s leads to the group %(group)s, which has no phones."),
    ReasonCode.GROUP_ABSENT: N_("%(number)s leads to the group %(group)s, of which nobody takes calls now."),
    ReasonCode.OWN_DEFAULT_RINGS: N_("The dialled number's default phone. Rings for %(seconds)s s: %(phones)s."),
    ReasonCode.OWN_DEFAULT_UNKNOWN: N_("The dialled number's default, %(phones)s, is not a phone that is known."),
    ReasonCode.COMPANY_DEFAULT_RINGS: N_("The company's default phone. Rings for %(seconds)s s: %(phones)s."),
    ReasonCode.COMPANY_DEFAULT_UNKNOWN: N_("The company's default, %(phones)s, is not a phone that is known."),
    ReasonCode.DEFAULT_ABSENT: N_("The default phone %(phones)s is of somebody who takes no calls now."),
    ReasonCode.LAST_RESORT_RINGS: N_(
        "Nobody of the dialled number takes calls now. So that there is no silence, these ring all the same for "
        "%(seconds)s s: %(phones)s."
    ),
    ReasonCode.NOBODY_LEFT: N_("Nobody is left to ring: give the dialled number a route, or set a default extension."),
    ReasonCode.DISPLAYS_SHOW: N_("Displays show the name %(name)s."),
    ReasonCode.DISPLAYS_KEEP: N_("Displays keep the name that the trunk delivered: “%(name)s”."),
    ReasonCode.RECORDED: N_("The call is recorded."),
}
_ROLES: Mapping[ChainRole, str] = {
    ChainRole.RESPONSIBLE: N_("%(employee)s is responsible."),
    ChainRole.LAST_TALKER: N_("%(employee)s talked with this caller last."),
    ChainRole.SUBSTITUTE: N_("%(employee)s is the substitute of %(of)s."),
}
_ABSENCES: Mapping[AbsenceKind, str] = {
    AbsenceKind.AWAY: N_("away"),
    AbsenceKind.OFF_DUTY: N_("off duty"),
    AbsenceKind.HOLIDAY: N_("holiday"),
}
_ABSENT = N_("Not there now: %(absent)s.")
_LONGER = N_("These phones ring already, so they ring that much longer.")
_NAMED = {
    (PersonKind.LEAD, False): N_("the lead %(name)s"),
    (PersonKind.LEAD, True): N_("the closed lead %(name)s"),
    (PersonKind.COUNTERPARTY, False): N_("the counterparty %(name)s"),
    (PersonKind.CONTACT_PERSON, False): N_("the contact person %(name)s"),
}
_NAMELESS = {
    (PersonKind.LEAD, False): N_("a lead without a name"),
    (PersonKind.LEAD, True): N_("a closed lead without a name"),
    (PersonKind.COUNTERPARTY, False): N_("a counterparty without a name"),
    (PersonKind.CONTACT_PERSON, False): N_("a contact person without a name"),
}


def tell(reason: Reason) -> str:
    """Say a reason in the language of the running task."""
    args = {name: _said(value) for name, value in reason.args.items()}
    if "why" in args:
        args["why"] = tell_absence(reason.args)
    sentences = [_(_SENTENCES[reason.code]) % args]
    if "role" in args:
        sentences.insert(0, _(_ROLES[ChainRole(args["role"])]) % args)
    if "absent" in args:
        sentences.append(_(_ABSENT) % args)
    if reason.args.get("longer"):
        sentences.append(_(_LONGER))
    return " ".join(sentences)


def tell_absence(args: Mapping[str, Any]) -> str:
    """Say why somebody takes no calls, and until when: “away, until 14:00”, “holiday (New Year)”."""
    said = _(_ABSENCES[AbsenceKind(args["why"])])
    if args.get("holiday"):
        said = f"{said} ({args['holiday']})"
    if args.get("until"):
        said = _("%(absence)s, until %(time)s", absence=said, time=short_time(datetime.fromisoformat(args["until"])))
    return said


def tell_kept(kept: object) -> str:
    """Say a reason that was kept with a call; what earlier versions kept is a sentence already."""
    reason = read_reason(kept)
    return reason if isinstance(reason, str) else tell(reason)


def _said(value: Any) -> Any:
    if isinstance(value, Mapping):
        who = (PersonKind(value["kind"]), bool(value.get("closed")))
        return _(_NAMED[who], name=value["name"]) if value.get("name") else _(_NAMELESS[who])
    return ", ".join(str(_said(item)) for item in value) if isinstance(value, (list, tuple)) else value
