"""How Asterisk finds a caller's number in its own database, written as a trunk may write it, without us (C9).

Entries stand under E.164. Rules, kept in AstDB too, tell which beginnings of digits stand for which beginnings of it:
`00,+!0,+380!,+` reads 0501234567 as +380501234567 first, and as +0501234567 at last. They are tried in turn until an
entry is found. Where `read_number` reads digits otherwise, the digits themselves have an entry, which comes first and
names the right number.
"""

from functools import lru_cache

import phonenumbers

from leads.domain.numbers import NumberKind, read_number

ALIAS = "as "
"""Begins the entry of digits that stand for another entry's number, or for none."""
SHORTEST_DIGITS = 7
"""Fewer without a + are a phone's short number, or nothing."""

Rule = tuple[str, str]

_ABROAD = ("00", "810", "011", "001", "009")
_NATIONAL = ("0", "8", "1", "06", "80", "")
_FOREIGN = {"US": "+442079460018", "GB": "+12125550123", "": "+442079460018"}
_HEAD_E164 = 9
_MOST_ALIKE = 65536
_plain: set[tuple[str, int, str]] = set()
"""Beginnings of numbers that have no aliases: to ask for each would take 0.5 ms, and a big company has 200,000."""


@lru_cache(maxsize=16)
def number_rules(region: str) -> tuple[Rule, ...]:
    """The rules for numbers as seen from `region` (ISO 3166 alpha-2), found by asking `read_number` itself."""
    foreign = _FOREIGN.get(region, _FOREIGN[""])
    rules = [(prefix, "+") for prefix in _ABROAD if _reads(prefix + foreign[1:], region) == foreign]
    code = f"+{phonenumbers.country_code_for_region(region)}"
    examples = _examples(region)
    rules += [
        (prefix, code)
        for prefix in _NATIONAL
        if examples and all(_reads(prefix + example, region) == code + example for example in examples)
    ]
    return (*rules, ("", "+"))


def encode_rules(rules: tuple[Rule, ...]) -> str:
    """Write the rules as the dialplan reads them."""
    return "!".join(f"{cut},{put}" for cut, put in rules)


def aliases(e164: str, region: str) -> dict[str, str]:
    """The digits that the rules take for `e164` and `read_number` does not, with what stands for them: few have any."""
    alike = (e164[:_HEAD_E164], len(e164), region)
    if alike in _plain:
        return {}
    found = {}
    for rule in number_rules(region):
        cut, put = rule
        if not e164.startswith(put):
            continue
        digits = cut + e164[len(put) :]
        if len(digits) >= SHORTEST_DIGITS and (read := _reads(digits, region)) != e164:
            found[digits] = ALIAS + read
    if not found:
        if len(_plain) >= _MOST_ALIKE:
            _plain.clear()
        _plain.add(alike)
    return found


def _reads(digits: str, region: str) -> str:
    number = read_number(digits, region)
    return number.text if number.kind is NumberKind.OUTSIDE else ""


def _examples(region: str) -> list[str]:
    kinds = (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE)
    numbers = (phonenumbers.example_number_for_type(region, kind) for kind in kinds)
    return [phonenumbers.national_significant_number(number) for number in numbers if number is not None]
