"""Without us Asterisk finds a caller's entry by the number as we read it, however the trunk writes it (C9)."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplan.number_rules import aliases, encode_rules, number_rules
from leads.domain.numbers import NumberKind, read_number
from tests.dialplan.as_asterisk import find_entry

REGIONS = ("UA", "RU", "KZ", "BY", "PL", "DE", "NL", "GB", "FR", "ES", "IT", "HU", "LT", "CZ", "US", "BR")


def _examples(region: str) -> list[str]:
    kinds = (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE)
    numbers = [phonenumbers.example_number_for_type(region, kind) for kind in kinds]
    return [phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) for number in numbers if number]


KNOWN = sorted({number for region in REGIONS for number in _examples(region)})


def _entries(numbers: list[str], region: str) -> dict[str, str]:
    entries: dict[str, str] = {}
    for number in numbers:
        entries |= {number: f"-|{number}", **aliases(number, region)}
    return entries


def test_rules_are_those_of_the_country() -> None:
    assert encode_rules(number_rules("UA")) == "00,+!810,+!0,+380!80,+380!,+380!,+"
    assert encode_rules(number_rules("US")) == "00,+!011,+!1,+1!,+1!,+"
    assert encode_rules(number_rules("PL")) == "00,+!,+48!,+"


@pytest.mark.parametrize("region", REGIONS)
def test_every_way_to_write_a_known_number_finds_what_we_would_find(region: str) -> None:
    entries = _entries(KNOWN, region)
    rules = number_rules(region)
    found = 0
    for number in KNOWN:
        national = phonenumbers.parse(number)
        forms = {number, number[1:], f"00{number[1:]}", f"810{number[1:]}", f"011{number[1:]}"}
        forms |= {
            "".join(
                filter(str.isdecimal, phonenumbers.format_number(national, phonenumbers.PhoneNumberFormat.NATIONAL))
            ),
            phonenumbers.national_significant_number(national),
        }
        for form in forms:
            read = read_number(form, region)
            wanted = f"-|{read.text}" if read.kind is NumberKind.OUTSIDE and read.text in KNOWN else None
            assert find_entry(entries, form, rules) == wanted, form
            found += wanted is not None
    assert found > 2 * len(KNOWN)


@given(st.text(alphabet="+0123456789.-a", max_size=16), st.sampled_from(REGIONS))
def test_whatever_is_not_a_number_finds_nothing(raw: str, region: str) -> None:
    entry = find_entry(_entries(KNOWN, region), raw, number_rules(region))
    assert entry is None or entry == f"-|{read_number(raw, region).text}"


def test_digits_that_two_numbers_share_go_to_the_one_that_we_read() -> None:
    """In Germany 49366258517 is a number of Leer's district before it is one of Gera's with its country code."""
    gera, leer = "+49366258517", "+4949366258517"
    assert read_number(gera[1:], "DE").text == leer
    rules = number_rules("DE")
    assert aliases(gera, "DE") == {"49366258517": f"as {leer}"}
    assert find_entry(_entries([gera], "DE"), "49366258517", rules) is None
    assert find_entry(_entries([gera, leer], "DE"), "49366258517", rules) == f"-|{leer}"
    assert find_entry(_entries([gera], "DE"), "0366258517", rules) == f"-|{gera}"


@pytest.mark.parametrize("raw", ["", "+", "anonymous", "101", "112", "38+0501234567", "+38050123456_7", "٣٨٠٥٠١٢٣٤٥٦٧"])
def test_words_and_short_numbers_are_nobodys(raw: str) -> None:
    assert find_entry(_entries(["+380501234567"], "UA"), raw, number_rules("UA")) is None
