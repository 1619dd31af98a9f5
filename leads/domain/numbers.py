"""Reads a telephone number however a trunk, a phone or a person writes it, and says what kind of number it is.

One line must come out as one number, or one caller becomes two leads. The library phonenumbers knows the countries'
numbering plans; it takes `101` for a national number and `80501234567` for a wrong one, so our own rules come first.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult


class NumberKind(StrEnum):
    """What a dialled or calling number can be."""

    OUTSIDE = "outside"
    SHORT = "short"
    HIDDEN = "hidden"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Number:
    """One number that was read: E.164 with `+` for OUTSIDE, bare digits for SHORT, else what is safe to show."""

    kind: NumberKind
    text: str


HIDDEN_WORDS = frozenset({"anonymous", "unknown", "unavailable", "private", "restricted", "withheld"})
"""What Asterisk, trunks and SIP peers write in the place of a number that the caller withheld."""

_LONGEST_RAW = 200
_LONGEST_SHOWN = 32
_LONGEST_E164 = 15
_SHORT = range(2, 7)
_HIDDEN = Number(NumberKind.HIDDEN, "")

_ANGLED = re.compile(r"<([^<>]*)>[^<>]*\Z")
_SCHEME = re.compile(r"(?:sips?|tel):", re.IGNORECASE)
_PARAMETERS = re.compile(r";[a-z].*", re.IGNORECASE | re.DOTALL)
"""What networks write behind a number, as `;npdi;rn=...`; Asterisk hands it on with the dialled number."""
_SEPARATORS = re.compile("[ \u00a0\u2009\u202f.()/\u2010-\u2013-]+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")
"""Signs that come along with numbers copied from address books and messengers, for the direction of writing."""
_TRUNK_ZERO = re.compile(r"(?<!38)(?<!38[ -])\(0\)")
"""The zero that people put in brackets is not dialled after a country code; in +38(0) it is a part of Ukraine's."""
_DIALLABLE = re.compile(r"\+?[0-9]+")
_UNSAFE = re.compile(r"[^0-9A-Za-z+*#._-]")
_LONG_DISTANCE_8 = frozenset({"AM", "AZ", "BY", "GE", "KG", "KZ", "MD", "RU", "TJ", "TM", "UA", "UZ"})
"""Where 8, then 10, was or is dialled for a call abroad."""


def read_number(raw: str | None, region: str) -> Number:
    """Read `raw` as seen from `region` (ISO 3166 alpha-2, which decides how national numbers are completed).

    It never raises. A number counts as OUTSIDE when its country could give it out, even if today's plan says that it
    does not: the one who called from it has it. Numbers of 2 to 6 digits are SHORT, also emergency numbers.
    """
    if raw is None:
        return _HIDDEN
    if len(raw) > _LONGEST_RAW:
        return _invalid(raw[:_LONGEST_RAW])
    return _read(raw, region)


@lru_cache(maxsize=4096)
def _read(raw: str, region: str) -> Number:
    """Cached, because each of a call's many views carries the same two numbers."""
    if len(raw) > _SHORT.stop and (usual := _usual(raw, region)) is not None:
        return Number(NumberKind.OUTSIDE, usual)
    text = _user_part(_INVISIBLE.sub("", raw).strip())
    if not text or text.lower() in HIDDEN_WORDS:
        return _HIDDEN
    digits = _digits(text)
    if digits is None:
        return _invalid(text)
    if not digits.startswith("+") and len(digits) in _SHORT:
        return Number(NumberKind.SHORT, digits)
    e164 = _e164(_with_plus(digits, region), region)
    return _invalid(text) if e164 is None else Number(NumberKind.OUTSIDE, e164)


def _user_part(text: str) -> str:
    """What stands for the number in `"Name" <sip:number;parameter@host>` and in its parts."""
    if angled := _ANGLED.search(text):
        text = angled[1].strip()
    scheme = _SCHEME.match(text)
    if scheme:
        text = unquote(text[scheme.end() :], errors="replace")
    if scheme or "@" in text:
        text = text.split("@")[0].split(";")[0]
    return _PARAMETERS.sub("", text).strip()


def _digits(text: str) -> str | None:
    """The digits, with a leading `+` if there is one; None where anything but separators stands between them."""
    text = text.removeprefix("8~10").join(("810", "")) if text.startswith("8~10") else text
    if text.startswith(("+", "00")):
        text = _TRUNK_ZERO.sub("", text, count=1)
    digits = _SEPARATORS.sub("", text)
    return digits if _DIALLABLE.fullmatch(digits) else None


def _with_plus(digits: str, region: str) -> str:
    """Give the prefixes for a call abroad, and Ukraine's trunk prefix of old, the form that phonenumbers knows."""
    if digits.startswith("00"):
        return f"+{digits[2:]}"
    if region in _LONG_DISTANCE_8 and digits.startswith("810"):
        return f"+{digits[3:]}"
    if region == "UA" and len(digits) == 11 and digits.startswith("80"):
        return f"+3{digits}"
    return digits


def _e164(digits: str, region: str) -> str | None:
    """The number in E.164, or None where no country could give it out."""
    return _usual(digits, region) or _read_by_library(digits, region)


def _usual(digits: str, region: str) -> str | None:
    """The number in E.164 if it is one of the own country, written as most are; else None."""
    own = _own_numbers(region)
    if own is None:
        return None
    match = own.usual.fullmatch(digits)
    if match is None or own.national.fullmatch(digits):
        return None
    return f"+{own.country_code}{match['national']}"


class _OwnNumbers(NamedTuple):
    country_code: int
    national: re.Pattern[str]
    usual: re.Pattern[str]


@lru_cache(maxsize=16)
def _own_numbers(region: str) -> _OwnNumbers | None:
    """How numbers of the own country are usually written, where reading them is but taking a prefix off.

    Nearly all callers write theirs so, and phonenumbers takes 0.1 ms to come to the same (a test compares them). None
    for countries that share their code or have other prefixes than 0 and 00.
    """
    data = phonenumbers.PhoneMetadata.metadata_for_region(region)
    code = phonenumbers.country_code_for_region(region)
    if data is None or data.general_desc is None or len(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]) > 1:
        return None
    if (data.national_prefix_for_parsing, data.international_prefix, data.national_prefix_transform_rule) != (
        "0",
        "00",
        None,
    ):
        return None
    national = data.general_desc.national_number_pattern or ""
    longest = _LONGEST_E164 - len(str(code))
    usual = re.compile(rf"(?:\+?{code}|0)(?=[1-9][0-9]{{,{longest - 1}}}\Z)(?P<national>{national})")
    return _OwnNumbers(code, re.compile(national), usual)


def _read_by_library(digits: str, region: str) -> str | None:
    """The number as phonenumbers reads it.

    Many trunks leave the + out, and then a number may be possible in two countries: valid wins, then our own country.
    """
    readings = [_parse(digits, region), None if digits.startswith("+") else _parse(f"+{digits}", region)]
    possible = [number for number in readings if number is not None]
    if not possible:
        return None
    if (
        len(possible) > 1
        and not phonenumbers.is_valid_number(possible[0])
        and phonenumbers.is_valid_number(possible[1])
    ):
        possible.reverse()
    e164 = phonenumbers.format_number(possible[0], PhoneNumberFormat.E164)
    if e164 == digits:
        return e164
    # Of zeros after a country code each reading takes one more away; a number that does not read as itself is none.
    again = _parse(e164, region)
    return e164 if again is not None and phonenumbers.format_number(again, PhoneNumberFormat.E164) == e164 else None


def _parse(digits: str, region: str) -> phonenumbers.PhoneNumber | None:
    """What phonenumbers makes of it, if a country could give it out and it says its area too."""
    try:
        number = phonenumbers.parse(digits, region)
    except NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return None
    length = len(phonenumbers.format_number(number, PhoneNumberFormat.E164)) - 1
    return number if length <= _LONGEST_E164 else None


def _invalid(text: str) -> Number:
    return Number(NumberKind.INVALID, _UNSAFE.sub("", text)[:_LONGEST_SHOWN])
