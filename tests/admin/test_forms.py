"""Forms and queries are checked once, at the edge."""

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from leads.admin.forms import Form, checked, parse_fields
from leads.domain.directory import Role


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300)))
def test_whatever_is_sent_is_read_or_refused(sent: bytes | str) -> None:
    try:
        fields = parse_fields(sent)
    except ValueError:
        return
    form = Form(fields)
    for name in fields:
        kept = form.text(name, longest=100, lines=True)
        assert name in form.errors or kept == form.value(name).strip()
        form.value(name).encode()
        assert name in form.errors or not any(ord(letter) < 32 and letter not in "\n\t" for letter in kept)


@pytest.mark.parametrize("text", ["a\x00", "\ud800", "a\x1b[0m", "\x7f", "a\nb", "x" * 11])
def test_text_that_no_form_sends_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"too long|cannot be kept"):
        checked(text, 10)


def test_a_wrong_field_keeps_what_was_typed_beside_its_message() -> None:
    form = Form(parse_fields("name=++&ring=abc&number=12"))
    form.text("name", required=True)
    form.integer("ring", 5, 300)
    form.outside_number("number", "UA")
    assert set(form.errors) == {"name", "ring", "number"}
    assert form.value("ring") == "abc"


@pytest.mark.parametrize("typed", ["044 123 45 67", "+38 (044) 123-45-67", "0038 044 1234567", "380441234567"])
def test_numbers_are_read_in_any_writing(typed: str) -> None:
    form = Form.filled(number=typed)
    assert form.outside_number("number", "UA") == "+380441234567"
    assert form.errors == {}


def test_forged_values_are_refused_as_a_whole() -> None:
    form = Form.filled(role="god", key="9" * 30, a=["1", "2"], b=["1"])
    for read in (
        lambda: form.choice("role", Role),
        lambda: form.identifier("key"),
        lambda: form.rows("a", "b"),
        form.version,
    ):
        with pytest.raises(web.HTTPBadRequest):
            read()


def test_a_conflict_keeps_the_typed_and_shows_the_saved() -> None:
    form = Form.filled(version=1, name="mine", role="admin", phone=["101"])
    current = Form.filled(version=2, name="theirs", role="admin", phone=["101", "102"])
    conflict = form.against(current, {"phone": lambda number: f"no. {number}"})
    assert conflict.value("name") == "mine"
    assert conflict.version() == 2
    assert conflict.theirs == {"name": "theirs", "phone": "no. 101, no. 102"}


def test_a_conflict_shows_what_was_emptied_and_unticked() -> None:
    form = Form({"version": ["1"], "name": ["same"], "days": ["30"], "may_export": ["1"], "label": [""]})
    saved = Form.filled(version=2, name="same", days=None, may_export=False, label=None, may_listen=True)
    conflict = form.against(saved)
    assert conflict.theirs == {"days": "", "may_export": "", "may_listen": "1"}


def test_whoever_saves_the_same_as_somebody_else_is_told_too() -> None:
    form = Form({"version": ["1"], "name": ["same"]}).against(Form.filled(version=2, name="same"))
    assert form.theirs == {}
    assert form.overtaken
