"""`leadline check` tells of callers who would reach nobody."""

import pytest

from leadline.check import look_at_ways
from leadline.settings import load_settings
from leads.domain.directory import Did, Directory, DisplayMode, Extension

PHONE = Extension("101", "PJSIP/101", DisplayMode.LATIN, 32, 1)
PHONES = {"101": PHONE}
NUMBER = "+380441234567"


def did(queue: str | None = None, default: str | None = None) -> dict[str, Did]:
    return {NUMBER: Did(NUMBER, "Main", None, queue, 60, default, None)}


@pytest.mark.parametrize(
    ("default", "directory", "told"),
    [
        ("101", Directory(1, extensions=PHONES, dids=did()), []),
        ("", Directory(1, extensions=PHONES, dids=did(queue="sales")), []),
        ("", Directory(1, extensions=PHONES, dids=did(default="101")), []),
        ("", Directory(1, extensions=PHONES, dids=did()), [("trouble", f"number {NUMBER}")]),
        ("101", Directory(1, extensions=PHONES), [("note", "our numbers")]),
        ("102", Directory(1, extensions=PHONES, dids=did()), [("trouble", "default phone")]),
    ],
    ids=["default phone", "queue", "the number's own", "nobody", "no number", "nobody's phone"],
)
def test_a_stranger_reaches_somebody(
    monkeypatch: pytest.MonkeyPatch, default: str, directory: Directory, told: list[tuple[str, str]]
) -> None:
    monkeypatch.setenv("LEADLINE_DEFAULT_EXTENSION", default)
    findings = look_at_ways(load_settings(), directory)
    assert [("trouble" if one.is_trouble else "note", one.name) for one in findings] == told


def test_a_default_phone_that_nobody_has_is_named_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADLINE_DEFAULT_EXTENSION", "102")
    (finding,) = look_at_ways(load_settings(), Directory(1, extensions=PHONES, dids=did()))
    assert "102" in finding.detail
    assert finding.mend == "enter 102 in the panel on the card of whoever has it, or correct LEADLINE_DEFAULT_EXTENSION"
