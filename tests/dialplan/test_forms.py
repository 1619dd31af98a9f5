"""A name in all forms that the company's phones show, and what Asterisk knows of each phone (C6, C7)."""

import unicodedata
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from dialplan.forms import MOST_BYTES, encode_names, field_of, phone_entries
from dialplan.names import display_form
from leads.domain.directory import Directory, DisplayMode, Employee, Extension
from leads.domain.displays import Displays, displays_of

LATIN, UTF8, OFF = DisplayMode.LATIN, DisplayMode.UTF8, DisplayMode.OFF
SAFE = " .~!%/-_"
"""Signs that mean nothing to AGI, Set(), Dial() and Gosub(), as do letters with their marks, and digits."""

phones = st.builds(
    lambda number, mode, length: Extension(str(number), f"PJSIP/{number}", mode, length, None),
    st.integers(100, 999),
    st.sampled_from(DisplayMode),
    st.integers(4, 80),
)
names = st.one_of(st.text(max_size=120), st.sampled_from(["Щербань Ольга", "O'Neil ~ & Co | 100%, №5!", "+"]))


def phone(number: str, mode: DisplayMode, length: int = 24, employee: int | None = None) -> Extension:
    return Extension(number, f"PJSIP/{number}", mode, length, employee)


@given(names, st.lists(phones, max_size=12), st.sampled_from(["uk", "ru", None]))
def test_each_display_finds_its_own_form(name: str, company: list[Extension], language: str | None) -> None:
    displays = displays_of(company)
    encoded = encode_names(name, language, displays, 100_000)
    assert all(c in SAFE or c.isalnum() or unicodedata.category(c)[0] == "M" for c in encoded)
    fields = [unquote(field) for field in encoded.split("~")]
    for mode, length in displays.others:
        own = display_form(name, language, mode, length)
        assert own is None or fields[field_of(encoded, (mode, length)) - 1] == own
    usual = display_form(name, language, LATIN, displays.usual_length)
    assert fields[0] == (usual or "")


@given(names, st.lists(phones, max_size=60))
def test_it_fits_into_asterisks_messages(name: str, company: list[Extension]) -> None:
    encoded = encode_names(name, "uk", displays_of(company))
    assert len(encoded.encode()) <= MOST_BYTES
    assert encoded.count("~") == 0 or encoded.count("~") == encoded.split("~")[1].count("!") + 2


def test_the_text_itself() -> None:
    displays = Displays(24, ((UTF8, 24), (LATIN, 8)))
    assert encode_names("Щербань Ольга", "uk", displays) == "Shcherban Olha~u24!l8~Щербань Ольга~Shcherba"
    assert encode_names("Acme", None, displays) == "Acme"
    assert encode_names("№ 5 + 6", "uk", displays) == "No. 5 %2B 6~u24!l8~%E2%84%96 5 %2B 6~No. 5"
    assert encode_names(None, None, displays) == encode_names("", None, displays) == ""


def test_the_commonest_displays_come_first_and_the_rarest_go_without() -> None:
    """A name of 80 letters on phones of three modes and many lengths: what does not fit shows the usual form."""
    company = [phone(str(100 + at), UTF8, 80) for at in range(50)] + [
        phone(str(200 + at), LATIN, 24) for at in range(70)
    ]
    company += [phone(str(300 + at), OFF) for at in range(30)] + [
        phone(str(400 + at), UTF8, 60 + at) for at in range(8)
    ]
    encoded = encode_names("Щ" * 80, "uk", displays_of(company))
    assert encoded.startswith(f"{'SHCH' * 6}~u80!u60!u61!u62~{'Щ' * 80}~{'Щ' * 60}~")
    assert field_of(encoded, (UTF8, 67)) == 1


def test_what_asterisk_knows_of_each_phone() -> None:
    company = [
        phone("101", LATIN, employee=1),
        phone("102", UTF8, employee=2),
        phone("103", OFF),
        phone("104", LATIN, 8),
    ]
    directory = Directory(
        version=1,
        employees={
            1: Employee(1, "Олена Коваль", True, 15, False, (company[0],)),
            2: Employee(2, "Андрій Бондар", False, 15, False, (company[1],)),
        },
        extensions={one.number: one for one in (*company, Extension("105", "PJSIP/1 05", LATIN, 24, None))},
    )
    assert phone_entries(directory, displays_of(company), "uk") == {
        "101": "l24~Olena Koval~u24!l8~Олена Коваль~Olena Ko",
        "102": "u24~",
        "103": "o~",
        "104": "l8~",
    }
