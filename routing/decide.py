"""Decides whom a call reaches and why: the caller's own people, else the dialled number's route, else the default.

Whether a phone is busy or away only Asterisk knows, at the moment of ringing: so a decision is the whole chain, and
the dialplan goes along it.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from leads.domain.directory import Did, Directory
from leads.domain.displays import displays_of
from leads.domain.duty import NOBODY_ABSENT, Absence
from leads.domain.numbers import Number, NumberKind
from leads.domain.people import Person, PersonKind
from leads.domain.reasons import Reason, ReasonCode
from leads.domain.sip_names import as_meant
from routing.chain import Chain
from routing.decision import Decision, Step
from routing.language import language_of

_TRUNK_NAME_LENGTH = 80
_CHAINS = 4096
_ORDER = (PersonKind.CONTACT_PERSON, PersonKind.COUNTERPARTY, PersonKind.LEAD)
_HIDDEN, _RECORDED = Reason(ReasonCode.CALLER_HIDDEN), Reason(ReasonCode.RECORDED)


def decide(
    caller: Number,
    people: tuple[Person, ...] | None,
    did: Did | None,
    did_number: str | None,
    directory: Directory,
    *,
    default_extension: str | None,
    name_language: str | None = None,
    absent: Mapping[int, Absence] = NOBODY_ABSENT.of,
) -> Decision:
    """Decide a single call; whoever decides many keeps a Routes."""
    return Routes(directory, default_extension, name_language, absent).decide(caller, people, did, did_number)


class Routes:
    """The routes of a company at one version and moment, with the parts that many calls share put together once."""

    def __init__(
        self,
        directory: Directory,
        default_extension: str | None,
        name_language: str | None = None,
        absent: Mapping[int, Absence] = NOBODY_ABSENT.of,
    ) -> None:
        """Take what all decisions share.

        Args:
            directory: the company as it is now.
            default_extension: whose phone rings last when the dialled number names none.
            name_language: how the installation reads Cyrillic names; see routing.language.
            absent: who takes no calls now; see leads.domain.duty.
        """
        self.directory = directory
        self.displays = displays_of(directory.extensions.values())
        self._default_extension = default_extension
        self._name_language = name_language
        self._absent = absent
        self._chain = lru_cache(maxsize=_CHAINS)(self._build_chain)

    def decide(
        self,
        caller: Number,
        people: tuple[Person, ...] | None,
        did: Did | None,
        did_number: str | None,
        trunk_name: str | None = None,
    ) -> Decision:
        """Decide where one inbound call goes, and give the reasons in the order in which they were found.

        Args:
            caller: who calls, as it was read from the trunk.
            people: all owners of the caller's number; None when the database did not tell in time, so that the call
                goes where an unknown caller's would.
            did: the dialled number, if it is one of ours; `did_number` is how it was dialled in any case.
            trunk_name: the caller's name that the trunk delivered, which stays on displays where we know none; one
                with SIP's backslashes in it they show as it was meant.
        """
        known = _in_order(people) if people else ()
        responsible = tuple([person.responsible_id for person in known]) if known else None
        steps, reasons = self._chain(
            responsible, _last_talker(known), did.number if did else None, None if did else did_number
        )
        name = _joined_name(known)
        if name is None and trunk_name is not None and "\\" in trunk_name:
            name = as_meant(trunk_name)
        record = self.directory.recording.records_inbound(did.number if did else None)
        return Decision(
            caller=caller.text if caller.kind is NumberKind.OUTSIDE else None,
            did=did.number if did else did_number,
            name=name,
            language=_language(name, known, self._name_language),
            steps=steps,
            reasons=(
                _who_calls(caller, known if people is not None else None),
                *reasons,
                *_what_displays_show(name, trunk_name),
                *((_RECORDED,) if record else ()),
            ),
            record=record,
            displays=self.displays,
            unsure=people is None and caller.kind is NumberKind.OUTSIDE,
            greeting_language=did.greeting_language if did else "",
        )

    def _build_chain(
        self,
        responsible: tuple[int | None, ...] | None,
        last_talker: int | None,
        did: str | None,
        strange_number: str | None,
    ) -> tuple[tuple[Step, ...], tuple[Reason, ...]]:
        chain = Chain(self.directory, self._absent)
        if responsible is not None:
            chain.ring_own_people(_distinct(responsible), last_talker)
        dialled = self.directory.dids[did] if did is not None else None
        chain.follow_dialled_number(dialled, strange_number, self._default_extension)
        return chain.end()


class CallerFacts(NamedTuple):
    """What an outside number alone adds to a decision: its one responsible, who talked last, and the name."""

    responsible_id: int | None
    last_talker_id: int | None
    name: str | None
    language: str | None


def caller_facts(people: tuple[Person, ...], name_language: str | None) -> CallerFacts:
    """Tell what `decide` makes of the owners of a number, for who keeps it instead of deciding."""
    known = _in_order(people)
    if len(known) == 1:
        name = known[0].name or None
        return CallerFacts(known[0].responsible_id, _last_talker(known), name, _language(name, known, name_language))
    ids = _distinct(person.responsible_id for person in known)
    name = _joined_name(known)
    responsible = ids[0] if len(ids) == 1 else None
    return CallerFacts(responsible, _last_talker(known), name, _language(name, known, name_language))


def _last_talker(known: tuple[Person, ...]) -> int | None:
    """Who talked with the number last; all of its owners tell the same."""
    return known[0].last_talker_id if known else None


def _distinct(ids: Iterable[int | None]) -> list[int]:
    return list(dict.fromkeys(one for one in ids if one is not None))


def _who_calls(caller: Number, known: tuple[Person, ...] | None) -> Reason:
    if caller.kind is NumberKind.HIDDEN:
        return _HIDDEN
    if caller.kind is not NumberKind.OUTSIDE:
        short = caller.kind is NumberKind.SHORT
        code = ReasonCode.CALLER_SHORT if short else ReasonCode.CALLER_UNREADABLE
        return Reason(code, {"number": caller.text})
    if known is None:
        return Reason(ReasonCode.CALLER_NOT_TOLD, {"number": caller.text})
    if not known:
        return Reason(ReasonCode.CALLER_UNKNOWN, {"number": caller.text})
    code = ReasonCode.CALLER_SHARED
    if len(known) == 1:
        code = ReasonCode.CALLER_PINNED if known[0].pinned else ReasonCode.CALLER_KNOWN
    people = [{"kind": one.kind.value, "name": one.name, "closed": one.closed} for one in known]
    return Reason(code, {"number": caller.text, "people": people})


def _in_order(people: tuple[Person, ...]) -> tuple[Person, ...]:
    if len(people) < 2:
        return people
    return tuple(sorted(people, key=lambda person: (_ORDER.index(person.kind), person.id)))


def _joined_name(known: tuple[Person, ...]) -> str | None:
    if len(known) == 1:
        return known[0].name or None
    return " / ".join(dict.fromkeys(person.name for person in known if person.name)) or None


def _what_displays_show(name: str | None, trunk_name: str | None) -> tuple[Reason, ...]:
    if name is not None:
        return (Reason(ReasonCode.DISPLAYS_SHOW, {"name": name}),)
    if trunk_name:
        shown = "".join(filter(str.isprintable, trunk_name))[:_TRUNK_NAME_LENGTH]
        return (Reason(ReasonCode.DISPLAYS_KEEP, {"name": shown}),)
    return ()


def _language(name: str | None, known: tuple[Person, ...], default: str | None) -> str | None:
    if name is None:
        return None
    own = {person.language for person in known if person.name}
    return language_of(name, own.pop() if len(own) == 1 else None, default)
