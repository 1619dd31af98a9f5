"""Reading numbers: one line is one number, however it is written, and nothing harmful comes through."""

import re

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from leads.domain import numbers
from leads.domain.numbers import Number, NumberKind, read_number

REGIONS = st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS))
WRITTEN = st.one_of(
    st.text(alphabet="+0123456789 -()./~*#", max_size=24),
    st.text(alphabet='+0123456789<>@:;"%sipteluser=phone ', max_size=40),
    st.from_regex(r"\A(\+|00|810|8~10|8|0)?[0-9]{5,14}\Z"),
    st.text(max_size=40),
)


@pytest.mark.parametrize(
    ("line", "region", "spellings"),
    [
        (
            "+380501234567",
            "UA",
            "+380501234567 380501234567 0501234567 501234567 80501234567 00380501234567 810380501234567 "
            "8~10380501234567 8~10-380-50-123-45-67 050-123-45-67 (050)123-45-67 +38(050)1234567 +38-050-123-45-67 "
            "050.123.45.67 050/1234567 tel:+380501234567 tel:+380-50-123-45-67 sip:+380501234567@10.0.0.1;user=phone "
            "sip:0501234567@host sips:%2B380501234567@host:5061;transport=tls <sip:+380501234567@host>;tag=1 "
            "sip:+380501234567;npdi@host +380501234567@host SIP:380501234567@host +380501234567;npdi=yes "
            "0501234567;rn=+380671112233;npdi +380501234567;phone-context=+380",
        ),
        ("+380441234567", "UA", "0441234567 +380441234567 80441234567 00380441234567 380441234567"),
        ("+74951234567", "RU", "84951234567 +74951234567 74951234567 4951234567 0074951234567 81074951234567"),
        ("+79161234567", "RU", "8(916)123-45-67 +7-916-123-45-67 79161234567 9161234567"),
        ("+31150010001", "NL", "0150010001 +31150010001 0031150010001 31150010001 +31(0)150010001 0031(0)150010001"),
        ("+4930123456", "DE", "030123456 +4930123456 004930123456 +49(0)30123456 (0)30/123456"),
        ("+442079460000", "GB", "02079460000 +442079460000 (020)79460000"),
        ("+390612345678", "IT", "0612345678 +390612345678 00390612345678"),
        ("+12025550123", "US", "2025550123 12025550123 +12025550123 1-202-555-0123"),
        ("+48221234567", "UA", "+48221234567 0048221234567 81048221234567 48221234567"),
        ("+49301234567", "NL", "+49301234567 0049301234567 49301234567"),
        ("+375291234567", "BY", "80291234567 375291234567 +375291234567 810375291234567"),
    ],
)
def test_one_line_is_one_number(line: str, region: str, spellings: str) -> None:
    read = {spelling: read_number(spelling, region) for spelling in spellings.split()}
    assert read == dict.fromkeys(read, Number(NumberKind.OUTSIDE, line))


@pytest.mark.parametrize(
    "raw",
    [
        '"Ольга" <sip:+380501234567@host>',
        '"a <b>" <+380501234567>',
        " +380 50 123 45 67 ",
        "\u202a+380501234567\u202c",
        "\u200e+380 50 123\u200b 45 67\ufeff",
        "\u2068050 1234567\u2069",
        "+380\u00a050\u00a0123\u201145\u201367",
        "+380 (0)50 123 45 67",
        "+38(0)501234567",
        "+38 (0)50 123-45-67",
        "0038(0)501234567",
    ],
)
def test_reads_what_people_and_phones_put_around(raw: str) -> None:
    assert read_number(raw, "UA") == Number(NumberKind.OUTSIDE, "+380501234567")


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "",
        "  ",
        "anonymous",
        "Anonymous",
        "UNKNOWN",
        "<unknown>",
        "unavailable",
        "private",
        "Restricted",
        "withheld",
        "sip:anonymous@anonymous.invalid",
        '"Anonymous" <sip:anonymous@anonymous.invalid>',
        "anonymous@10.0.0.1",
    ],
)
def test_hidden(raw: str | None) -> None:
    assert read_number(raw, "UA") == Number(NumberKind.HIDDEN, "")


@pytest.mark.parametrize(("raw", "digits"), [("101", "101"), ("112", "112"), ("sip:201@pbx", "201"), ("10-1", "101")])
@pytest.mark.parametrize("region", ["UA", "NL", "US"])
def test_short(raw: str, digits: str, region: str) -> None:
    assert read_number(raw, region) == Number(NumberKind.SHORT, digits)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("1", "1"),
        ("s", "s"),
        ("+112", "+112"),
        ("asterisk", "asterisk"),
        ("0800CALLNOW", "0800CALLNOW"),
        ("1234567", "1234567"),
        ("*43", "*43"),
        ("#31#0501234567", "#31#0501234567"),
        ("٠٥٠١٢٣٤٥٦٧", ""),
        ("\uff10\uff15\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17", ""),
        ("050\r\n1234567", "0501234567"),
        ("0501234567\x00", "0501234567"),
        ("sip:050%001234567@host", "0501234567"),
        ("+99912345678", "+99912345678"),
        ("050123456789012345", "050123456789012345"),
        ("1" * 500, "1" * 32),
        ("101&PJSIP/102", "101PJSIP102"),
        ("${SHELL(id)}", "SHELLid"),
        ("0501234567,0501234568", "05012345670501234568"),
        ("0501234567;0501234568", "05012345670501234568"),
        ("++380501234567", "++380501234567"),
        ("0501234567+", "0501234567+"),
        ("+", "+"),
        ("+310000000", "+310000000"),
    ],
)
def test_invalid_with_what_is_safe_to_show(raw: str, shown: str) -> None:
    assert read_number(raw, "UA") == Number(NumberKind.INVALID, shown)


@pytest.mark.parametrize("number", ["+31150010001", "+380501234567", "+49301234567", "+441134960000", "+380901234567"])
def test_numbers_that_no_plan_gives_out_today_are_taken(number: str) -> None:
    assert read_number(number, "UA") == Number(NumberKind.OUTSIDE, number)


@given(WRITTEN, REGIONS)
@example("sip:%", "UA")
@example("<>", "UA")
def test_whatever_comes_the_answer_is_safe(raw: str, region: str) -> None:
    number = read_number(raw, region)
    pattern = {
        NumberKind.OUTSIDE: r"\+[1-9][0-9]{4,14}",
        NumberKind.SHORT: r"[0-9]{2,6}",
        NumberKind.HIDDEN: "",
        NumberKind.INVALID: r"[0-9A-Za-z+*#._-]{0,32}",
    }[number.kind]
    assert re.fullmatch(pattern, number.text)


@given(WRITTEN, REGIONS, REGIONS)
@example("310000000", "AC", "AC")
def test_what_was_read_reads_as_itself_everywhere(raw: str, region: str, elsewhere: str) -> None:
    number = read_number(raw, region)
    if number.kind is NumberKind.OUTSIDE:
        assert read_number(number.text, region) == number
        assert read_number(number.text, elsewhere) == number
    if number.kind is NumberKind.SHORT:
        assert read_number(number.text, region) == number


@pytest.mark.parametrize("region", ["UA", "DE", "FR", "NL", "MD", "GE", "TR"])
@given(prefix=st.sampled_from(["+cc", "cc", "0", "", "+", "00"]), rest=st.text("0123456789", min_size=4, max_size=14))
def test_the_short_way_for_usual_numbers_reads_as_the_library(region: str, prefix: str, rest: str) -> None:
    digits = prefix.replace("cc", str(phonenumbers.country_code_for_region(region))) + rest
    assert numbers._e164(digits, region) == numbers._read_by_library(digits, region)


@pytest.mark.parametrize("written", ["+380501234567", "380501234567", "0501234567"])
def test_usual_numbers_take_the_short_way(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "_read_by_library", lambda digits, region: pytest.fail("took the long way"))
    assert numbers._e164(written, "UA") == "+380501234567"
