"""A plan says what the decision said, in signs that mean nothing on the way (AGI, Set, Dial, Gosub, files)."""

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dialplan.names import display_form
from dialplan.plan import (
    MOST_ANSWER_BYTES,
    MOST_KEPT_BYTES,
    NOTHING,
    encode_plan,
)
from leads.domain.directory import DisplayMode, Extension
from leads.domain.displays import displays_of
from leads.domain.reasons import Reason, ReasonCode
from routing.decision import Decision, Ring, Step, StepKind
from tests.dialplan.as_asterisk import PlanError, PlannedPhone, PlannedStep, decode_plan

WHY = Reason(ReasonCode.CALLER_HIDDEN)
SAFE = re.compile(r"L1\|[\w .~|,!%/@+*-]*")

numbers = st.from_regex(r"[1-9][0-9]{1,3}(-[a-z]{1,4})?", fullmatch=True)
extensions = st.builds(
    lambda number, mode, length: Extension(number, f"PJSIP/{number}", mode, length, None),
    numbers,
    st.sampled_from(DisplayMode),
    st.integers(4, 80),
)
rings = st.builds(Ring, extensions, st.booleans())
phone_steps = st.builds(
    lambda seconds, rings: Step(StepKind.PHONES, seconds, WHY, tuple(rings)),
    st.integers(1, 300),
    st.lists(rings, min_size=1, max_size=4, unique_by=lambda ring: ring.extension.number),
)
queue_steps = st.builds(
    lambda seconds, queue: Step(StepKind.QUEUE, seconds, WHY, queue=queue),
    st.integers(5, 3600),
    st.from_regex(r"[A-Za-z0-9_.-]{1,20}", fullmatch=True),
)
names = st.one_of(st.none(), st.text(max_size=40), st.sampled_from(["Щербань Ольга", "O'Neil | ~ & Co, 100%", "+"]))
decisions = st.builds(
    lambda name, steps: Decision("+380501234567", "+380441234567", name, "uk", tuple(steps), (WHY,)),
    names,
    st.lists(st.one_of(phone_steps, queue_steps), max_size=3),
)


def phone(number: str, mode: DisplayMode = DisplayMode.LATIN, length: int = 24) -> Extension:
    return Extension(number, f"PJSIP/{number}", mode, length, None)


def decision(*steps: Step, name: str | None = None) -> Decision:
    return Decision(None, None, name, "uk", steps, ())


def phones(*found: Extension) -> Step:
    return Step(StepKind.PHONES, 20, WHY, tuple(Ring(one, False) for one in found))


@given(decisions)
def test_what_is_read_is_what_was_decided(decision: Decision) -> None:
    plan = encode_plan(decision)
    steps = decode_plan(plan)
    assert [(step.kind, step.seconds, step.queue) for step in steps] == [
        (step.kind, step.seconds, step.queue) for step in decision.steps
    ]
    for read, step in zip(steps, decision.steps, strict=True):
        assert [(one.endpoint, one.call_waiting) for one in read.phones] == [
            (ring.extension.endpoint, ring.call_waiting) for ring in step.rings
        ]
        for one, ring in zip(read.phones, step.rings, strict=True):
            _shows_its_own_form(one, ring.extension, decision)


def _shows_its_own_form(read: PlannedPhone, extension: Extension, decision: Decision) -> None:
    if extension.display_mode is DisplayMode.OFF:
        assert read.shows == ""
    elif decision.name is None:
        assert read.shows is None
    else:
        own = display_form(decision.name, decision.language, extension.display_mode, extension.display_length)
        # A name that nothing can be shown of on this phone leaves it what all the others show.
        assert read.shows == own or own is None


def is_safe(plan: str) -> bool:
    """Whether no sign means anything on the way; marks above and below letters are part of them."""
    return SAFE.fullmatch("".join(sign for sign in plan if unicodedata.category(sign)[0] != "M")) is not None


STRESSED = "Іва\u0301н"
"""A letter and a mark for which there is no letter with that mark."""


@given(decisions)
@example(decision(phones(phone("101", DisplayMode.UTF8)), name=STRESSED))
def test_a_plan_is_one_short_line_of_harmless_signs(decision: Decision) -> None:
    plan = encode_plan(decision)
    assert is_safe(plan)
    assert plan.isprintable()
    assert len(plan.encode()) <= MOST_ANSWER_BYTES


@given(st.text(), st.text(), st.text(max_size=60))
@example("SIP/101", "sales", STRESSED)
def test_unsafe_words_are_left_out_and_the_call_goes_on(endpoint: str, queue: str, name: str) -> None:
    steps = (
        Step(StepKind.PHONES, 20, WHY, (Ring(Extension("1", endpoint, DisplayMode.UTF8, 80, None), False),)),
        Step(StepKind.QUEUE, 20, WHY, queue=queue),
        phones(phone("101")),
    )
    plan = encode_plan(decision(*steps, name=name))
    assert is_safe(plan)
    assert decode_plan(plan)[-1].phones[0].endpoint == "PJSIP/101"


def test_the_line_itself() -> None:
    plan = encode_plan(
        decision(
            phones(phone("101")),
            Step(
                StepKind.PHONES,
                25,
                WHY,
                (
                    Ring(phone("101"), False),
                    Ring(phone("102", DisplayMode.UTF8), True),
                    Ring(phone("103", DisplayMode.OFF), False),
                ),
            ),
            Step(StepKind.QUEUE, 60, WHY, queue="sales"),
            name="Щербань Ольга",
        )
    )
    assert plan == (
        "L1|Shcherban Olha~u24~Щербань Ольга|P,20,0PJSIP/101,,"
        "|P,25,0PJSIP/101!1PJSIP/102!0PJSIP/103,102!103,3!99|Q,60,sales,,"
    )


def test_all_phones_but_those_that_cannot_draw_latin_show_the_common_form() -> None:
    assert encode_plan(decision(phones(phone("101", length=8), phone("102")), name="Щербань Ольга")).startswith(
        "L1|Shcherba~l24~Shcherban Olha|"
    )
    assert encode_plan(decision(phones(phone("101", DisplayMode.UTF8)), name="Щербань Ольга")).startswith(
        "L1|Shcherban Olha~u24~Щербань Ольга|"
    )


def test_the_common_form_has_the_room_that_most_phones_have() -> None:
    assert encode_plan(decision(phones(phone("101", length=8), phone("102"), phone("103")), name="Щербань Ольга")) == (
        "L1|Shcherban Olha~l8~Shcherba|P,20,0PJSIP/101!0PJSIP/102!0PJSIP/103,101,3"
    )


def test_each_member_of_a_queue_shows_its_own_form() -> None:
    usual = [phone(str(number)) for number in range(200, 300)]
    members = (*usual, phone("101", DisplayMode.UTF8), phone("102", DisplayMode.OFF), phone("103", length=8))
    queue = Step(StepKind.QUEUE, 60, WHY, tuple(Ring(one, False) for one in members), "sales")
    assert encode_plan(decision(queue, name="Щербань Ольга")) == (
        "L1|Shcherban Olha~u24!l8~Щербань Ольга~Shcherba|Q,60,sales,101!102!103,3!99!4"
    )


def test_an_unknown_caller_keeps_the_trunks_name_but_for_phones_without_names() -> None:
    plan = encode_plan(decision(phones(phone("101"), phone("102", DisplayMode.OFF))))
    assert plan == "L1||P,20,0PJSIP/101!0PJSIP/102,102,99"


MODES = (DisplayMode.LATIN, DisplayMode.UTF8, DisplayMode.OFF)


def many(count: int) -> list[Extension]:
    """Phones of three modes with the widest displays that there are."""
    return [phone(str(1000 + at), MODES[at % 3], 80) for at in range(count)]


def test_of_a_group_that_is_too_big_to_list_each_phone_looks_up_its_own_form() -> None:
    name = "Щ" * 80
    plan = encode_plan(decision(phones(*many(100)), phones(phone("999", length=80)), name=name))
    latin, utf8 = (display_form(name, "uk", mode, 80) for mode in MODES[:2])
    assert plan.startswith(f"L1|{latin}~u80~{utf8}|P,20,0PJSIP/1000!0PJSIP/1001!")
    assert plan.endswith("!0PJSIP/1099,*,|P,20,0PJSIP/999,*,")
    assert [len(step.phones) for step in decode_plan(plan)] == [100, 1]


def test_150_phones_ring_and_show_the_name() -> None:
    """In what AstDB takes, too: phones go before the usual form of the name, the rarer forms before phones."""
    name = "Щ" * 80
    for most in (MOST_ANSWER_BYTES, MOST_KEPT_BYTES):
        plan = encode_plan(decision(phones(*many(150)), phones(phone("999", length=80)), name=name), most)
        assert len(plan.encode()) <= most
        assert plan.startswith(f"L1|{display_form(name, 'uk', DisplayMode.LATIN, 80)}")
        first, last = decode_plan(plan)
        assert len(first.phones) == (128 if most == MOST_ANSWER_BYTES else 64)
        assert len(last.phones) == 1
        assert "L1|" not in plan[3:]


def test_a_queue_of_150_phones_keeps_every_form() -> None:
    name = "Щ" * 80
    queue = Step(StepKind.QUEUE, 60, WHY, tuple(Ring(one, False) for one in many(150)), "sales")
    latin, utf8 = (display_form(name, "uk", mode, 80) for mode in MODES[:2])
    assert encode_plan(decision(queue, name=name), MOST_KEPT_BYTES) == f"L1|{latin}~u80~{utf8}|Q,60,sales,*,"


def test_names_go_with_the_call_for_all_displays_of_the_company() -> None:
    """It may be handed on to a phone that the plan does not ring."""
    company = displays_of([phone("101"), phone("102", DisplayMode.UTF8, 16), phone("103", DisplayMode.OFF)])
    told = decision(phones(phone("101")), name="Щербань Ольга")._replace(displays=company)
    assert encode_plan(told) == "L1|Shcherban Olha~u16~Щербань Ольга|P,20,0PJSIP/101,,"


def test_nobody_to_ring() -> None:
    assert encode_plan(decision()) == "L1|"
    assert decode_plan(NOTHING) == ()
    assert decode_plan("L1|") == ()


@pytest.mark.parametrize(
    "text", ["", "L2||", "x", "L1||P", "L1||Z,20,a,,", "L1||P,x,0PJSIP/1,,", "L1||P,1,0PJSIP/1,1,9"]
)
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(PlanError):
        decode_plan(text)


def test_a_queue_is_read_as_one() -> None:
    assert decode_plan("L1||Q,30,sales,,") == (PlannedStep(StepKind.QUEUE, 30, queue="sales"),)


@pytest.mark.parametrize(
    ("language", "record", "plan"),
    [
        ("uk", False, "L1||G,,uk,,|P,20,0PJSIP/101,,"),
        ("uk", True, "L1||G,,uk,,|R,,,,|P,20,0PJSIP/101,,"),
        ("", True, "L1||R,,,,|P,20,0PJSIP/101,,"),
        ("uk,en|P", False, "L1||P,20,0PJSIP/101,,"),
    ],
)
def test_the_language_of_announcements_comes_before_anything_is_played(language: str, record: bool, plan: str) -> None:
    made = encode_plan(decision(phones(phone("101")))._replace(greeting_language=language, record=record))
    assert made == plan
    assert [step.kind for step in decode_plan(made)] == [StepKind.PHONES]
