"""Writes a routing decision as the one line that Asterisk's dialplan walks; asterisk-conf/leadline.conf reads it.

    L1|names|step|step|...
    names   main~kinds~form~form...                 the caller's name for all displays, see dialplan.forms; empty: the
                                                    trunk's name stays
    step    P,seconds,phones,special,forms          phones as 0PJSIP/101!1PJSIP/102; 1 rings even in a call
            Q,seconds,queue,special,forms           special as 101!102: phones that do not show main, and which field of
                                                    names, from 1, each of them shows, as 3!4; 99 shows no name. Special
                                                    as *: each phone looks up in Asterisk which kind its display is
            G,,uk,,                                 from here on the caller hears announcements in this language
            R,,,,                                   from here on the call is recorded; both ring nobody, and come first

It is written so that reading is cheap for Asterisk (commas for ARRAY(), the others for SHIFT() and CUT()), and so that
no sign in it means anything to AGI's quoting, to Set(), Dial() and Gosub(), or to a configuration file.
"""

import re
from dataclasses import replace

from dialplan.forms import MOST_BYTES, encode_names, field_of, kind_of
from leads.domain.directory import DisplayMode, Extension
from leads.domain.displays import Displays, Kind, displays_of
from routing.decide import CallerFacts
from routing.decision import Decision, Step, StepKind

MARK = "L1|"
UNSURE_MARK = "L0|"
"""In place of MARK: the plan is for an unknown caller, because the database did not tell who he is."""
NOTHING = "L1||"
"""The plan that rings nobody."""
MOST_ANSWER_BYTES = 1900
"""Of a plan that is Asterisk's answer: AGI takes lines of 2,047 bytes."""
MOST_KEPT_BYTES = 1000
"""Of a plan that is kept in AstDB: AMI takes lines of 1,023 bytes."""

_NO_FIELD = 99
"""Stands for no name: so many forms there never are."""
_LOOK_UP = "*"
_LEAST_NAMES = 200
"""Bytes that a group's last phones leave to the name: the usual form and one other."""
_MOST_PHONES = (150, 140, 128, 112, 96, 80, 64, 48, 32, 16, 8, 4)
_ENDPOINT = re.compile(r"[A-Za-z0-9]{2,10}/[A-Za-z0-9_.@+/-]{1,80}")
_QUEUE = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_LANGUAGE = re.compile(r"[A-Za-z0-9_-]{1,20}")
_MOST_LAYOUTS = 4096
_layouts: dict[int, tuple[tuple[Step, ...], "_Layout"]] = {}
_RECORD = "|R,,,,"
_KINDS = {StepKind.PHONES: "P", StepKind.QUEUE: "Q"}
_Fields = tuple[int, ...]


def encode_plan(decision: Decision, most_bytes: int = MOST_ANSWER_BYTES) -> str:
    """Write `decision` for the dialplan, in at most `most_bytes` bytes of UTF-8.

    A call must go on: so phones and queues whose names are not safe in a dialplan are left out. A plan that would be
    too long does not say of each phone what it shows, because Asterisk knows too; then the rarest displays' forms of
    the name are left out, then the last phones of big groups.
    """
    layout = _layout_of(decision.steps)
    displays = decision.displays or layout.displays
    names = encode_names(decision.name, decision.language, displays)
    opening = _opening(decision)
    mark = UNSURE_MARK if decision.unsure else MARK
    plan = f"{mark}{names}{opening}{layout.steps(_fields(names, layout.kinds))}"
    if _length(plan) <= most_bytes:
        return plan
    for most in _MOST_PHONES:
        steps = opening + layout.steps(None, most)
        room = most_bytes - len(MARK) - _length(steps)
        if room >= min(_LEAST_NAMES, _length(names)):
            return f"{mark}{encode_names(decision.name, decision.language, displays, min(room, MOST_BYTES))}{steps}"
    return NOTHING


def encode_kept_plan(decision: Decision) -> str:
    """Write the way of `decision` for whoever calls, to be kept in Asterisk: the name comes from elsewhere then.

    So each phone looks up what it shows. Phones stand in a fixed order, so that two steps that ring the same phones
    have the same text, by which the dialplan tells that they do.
    """
    steps = tuple(
        replace(step, rings=tuple(sorted(step.rings, key=lambda ring: ring.extension.endpoint)))
        for step in decision.steps
    )
    layout = _Layout(steps)
    head = f"{MARK}{_opening(decision)}"
    plans = (f"{head}{layout.steps(None, most)}" for most in _MOST_PHONES)
    return next((plan for plan in plans if _length(plan) <= MOST_KEPT_BYTES), NOTHING)


def encode_callee(facts: CallerFacts | None, displays: Displays, phone: Extension | None) -> str:
    """Write who is called by `phone`, as a plan without steps: L1|names|u24, the last being the kind of its display.

    `facts` are None where the database did not tell.
    """
    kind = "" if phone is None else kind_of(phone.display_mode, phone.display_length)
    if facts is None:
        return f"{UNSURE_MARK}|{kind}"
    return f"{MARK}{encode_names(facts.name, facts.language, displays)}|{kind}"


def _opening(decision: Decision) -> str:
    """Write what comes before all else, so that nothing is played in another language, or not recorded."""
    language = decision.greeting_language
    greeting = f"|G,,{language},," if language and _LANGUAGE.fullmatch(language) else ""
    return f"{greeting}{_RECORD}" if decision.record else greeting


def _length(text: str) -> int:
    return len(text.encode())


class _Layout:
    """Steps as far as they do not depend on the caller's name; many calls share them."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self._steps = steps
        self._texts: dict[tuple[_Fields | None, int], str] = {}
        phones = [ring.extension for step in steps for ring in step.rings if _is_safe(ring.extension)]
        self.kinds = tuple(dict.fromkeys(map(_kind, phones)))
        """What kinds of display there are, each once."""
        self.displays = displays_of(phones)

    def steps(self, fields: _Fields | None, most: int = _MOST_PHONES[0]) -> str:
        """Write the steps, each with its separator.

        `fields` tells which field of names each kind of display shows; None: the phones are to look it up.
        """
        text = self._texts.get((fields, most))
        if text is None:
            shown = None if fields is None else dict(zip(self.kinds, fields, strict=True))
            texts = (_encode_step(step, shown, most) for step in self._steps)
            text = "".join(f"|{text}" for text in texts if text)
            self._texts[fields, most] = text
        return text


def _layout_of(steps: tuple[Step, ...]) -> _Layout:
    """Find the layout of these very steps, by identity: to hash them would cost more than all the rest of a plan."""
    known = _layouts.get(id(steps))
    if known is not None and known[0] is steps:
        return known[1]
    if len(_layouts) >= _MOST_LAYOUTS:
        _layouts.clear()
    layout = _Layout(steps)
    # Kept with the steps themselves, so that no others can take over their identity.
    _layouts[id(steps)] = steps, layout
    return layout


def _fields(names: str, kinds: tuple[Kind, ...]) -> _Fields:
    return tuple([_NO_FIELD if kind[0] is DisplayMode.OFF else field_of(names, kind) for kind in kinds])


def _is_safe(phone: Extension) -> bool:
    return _ENDPOINT.fullmatch(phone.endpoint) is not None


def _kind(phone: Extension) -> Kind:
    return phone.display_mode, phone.display_length


def _encode_step(step: Step, shown: dict[Kind, int] | None, most: int) -> str:
    """Write one step; nothing where there is nobody to ring."""
    rings = [ring for ring in step.rings if _is_safe(ring.extension)]
    if step.kind is StepKind.QUEUE:
        who = step.queue if step.queue and _QUEUE.fullmatch(step.queue) else ""
    else:
        rings = rings[:most]
        who = "!".join(f"{ring.call_waiting:d}{ring.extension.endpoint}" for ring in rings)
    if not who:
        return ""
    step_text = f"{_KINDS[step.kind]},{max(1, step.seconds)},{who}"
    if shown is None:
        return f"{step_text},{_LOOK_UP},"
    fields = {ring.extension.endpoint.partition("/")[2]: shown[_kind(ring.extension)] for ring in rings}
    special = {phone: field for phone, field in fields.items() if field > 1}
    return f"{step_text},{'!'.join(special)},{'!'.join(map(str, special.values()))}"
