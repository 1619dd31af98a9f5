"""The FastAGI conversation: whole, in pieces, and from peers that are not Asterisk."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.protocol import MAX_BLOCK, MAX_LINE, Outcome, ProtocolError, Request, Session, set_variable

BLOCK = b"""agi_network: yes
agi_network_script: route
agi_request: agi://127.0.0.1:4573/route
agi_channel: PJSIP/trunk-00000001
agi_language: en
agi_type: PJSIP
agi_uniqueid: 1732190000.17
agi_version: 22.10.1
agi_callerid: +380501234567
agi_calleridname: \xd0\x9e\xd0\xbb\xd1\x8c\xd0\xb3\xd0\xb0
agi_callingpres: 0
agi_callingani2: 0
agi_callington: 0
agi_callingtns: 0
agi_dnid: 0441234567
agi_rdnis: unknown
agi_context: leadline-ask
agi_extension: s
agi_priority: 3
agi_enhanced: 0.0
agi_accountcode:\x20
agi_threadid: 140
agi_arg_1: 0441234567
agi_arg_2: 1732190000.17

"""
REQUEST = Request("route", "+380501234567", "Ольга", "0441234567", "1732190000.17")


def with_line(line: bytes) -> bytes:
    """The block with the line of that name replaced."""
    name = line.partition(b":")[0]
    return re.sub(rb"(?m)^" + name + rb": ?.*$", lambda _: line, BLOCK)


def asked() -> Session:
    session = Session()
    session.receive(BLOCK)
    return session


def test_the_question_is_read() -> None:
    assert Session().receive(BLOCK) == REQUEST


@given(st.lists(st.integers(1, len(BLOCK) - 1), max_size=12))
def test_the_question_may_come_in_any_pieces(cuts: list[int]) -> None:
    edges = [0, *sorted(set(cuts)), len(BLOCK)]
    pieces = [BLOCK[a:b] for a, b in pairwise(edges)]
    session = Session()
    assert [session.receive(piece) for piece in pieces] == [None] * (len(pieces) - 1) + [REQUEST]


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        (b"agi_callingpres: 0", "caller", "+380501234567"),
        (b"agi_callingpres: 3", "caller", "+380501234567"),
        (b"agi_callingpres: 32", "caller", None),
        (b"agi_callingpres: 35", "caller", None),
        (b"agi_callingpres: 67", "caller", None),
        (b"agi_callingpres: \xc2\xb2", "caller", "+380501234567"),
        (b"agi_callingpres: 99999999999999", "caller", "+380501234567"),
        (b"agi_callerid: ", "caller", None),
        (b"agi_calleridname: ", "caller_name", None),
        (b"agi_calleridname: unknown", "caller_name", None),
        (b'agi_calleridname: a: b\\"', "caller_name", 'a: b\\"'),
        (b"agi_calleridname: \xd0\xff\xfe", "caller_name", "\ufffd\ufffd\ufffd"),
        (b"agi_arg_1: ", "did", None),
        (b"agi_arg_2: ", "linkedid", None),
        (b"agi_arg_2: 1 or 1", "linkedid", None),
        (b"agi_arg_2: " + b"1" * 151, "linkedid", None),
        (b"agi_arg_2: pbx-1-1732190000.17", "linkedid", "pbx-1-1732190000.17"),
    ],
)
def test_each_variable(line: bytes, field: str, value: str | None) -> None:
    request = Session().receive(with_line(line))
    assert isinstance(request, Request)
    assert getattr(request, field) == value


def test_a_question_without_its_variables_is_still_one() -> None:
    assert Session().receive(b"x: y\n\n") == Request("", None, None, None, None)


@pytest.mark.parametrize(
    "data",
    [
        b"x" * MAX_BLOCK,
        b"\n".join([b"agi_x: y"] * 5000),
        b"x: " + b"y" * MAX_LINE + b"\n\n",
        b"a: b\n" * 1000 + b"\n",
        b"GET / HTTP/1.1\r\n" * 2000,
        b"\0" * 10_000_000,
        with_line(b"agi_calleridname: x\nagi_arg_1: 666"),
    ],
    ids=["no line end", "no block end", "long line", "many lines", "http", "10 MB", "given twice"],
)
def test_what_no_asterisk_says_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        Session().receive(data)


def test_a_block_without_end_is_refused_when_it_comes_slowly() -> None:
    session = Session()
    line = b"agi_x: y\n"
    for _ in range(MAX_BLOCK // len(line)):
        assert session.receive(line) is None
    with pytest.raises(ProtocolError):
        session.receive(line)


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (b"200 result=1\n", Outcome.SET),
        (b"200 result=1 (x)\n200", Outcome.SET),
        (b"HANGUP\n", Outcome.HUNG_UP),
        (b"HANGUP\n200 result=1\n", Outcome.HUNG_UP),
        (b"510 Invalid or unknown command\n", Outcome.REFUSED),
        (b"511 Command Not Permitted on a dead channel or intercept routine\n", Outcome.REFUSED),
        (b"520-Invalid command syntax.  Proper usage follows:\n", Outcome.REFUSED),
        (b"200 result=1", None),
        (b"", None),
    ],
)
def test_the_outcome(reply: bytes, outcome: Outcome | None) -> None:
    assert asked().receive(reply) is outcome
    session = asked()
    assert [session.receive(reply[i : i + 1]) for i in range(len(reply))].count(outcome) >= bool(outcome)


def test_what_follows_the_question_at_once_is_kept_for_the_outcome() -> None:
    session = Session()
    assert session.receive(BLOCK + b"HANG") == REQUEST
    assert session.receive(b"UP\n") is Outcome.HUNG_UP


@pytest.mark.parametrize("reply", [b"x" * (MAX_LINE + 1), b"hello\n", b"\n", b"300 what\n"])
def test_a_strange_reply_is_refused(reply: bytes) -> None:
    with pytest.raises(ProtocolError):
        asked().receive(reply)


@given(
    st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([BLOCK, b"\n\n", b"agi_arg_1: ", b"\n"])), max_size=9)
)
def test_no_bytes_do_more_than_be_refused(pieces: list[bytes]) -> None:
    session = Session()
    for piece in pieces:
        try:
            session.receive(piece)
        except ProtocolError:
            return


def test_a_value_is_quoted() -> None:
    assert set_variable("X", 'a "b" \\c ${d} Ї') == 'SET VARIABLE X "a \\"b\\" \\\\c ${d} Ї"\n'.encode()


@pytest.mark.parametrize("value", ["a\nSET VARIABLE Y 1", "a\rb", "a\0b", "x" * MAX_LINE])
def test_a_value_that_would_become_another_command_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="AGI"):
        set_variable("X", value)


def unquoted(command: bytes) -> bytes:
    """Read a quoted argument as Asterisk's parse_args does: a backslash takes the next byte as it is."""
    text = command.split(b'"', 1)[1]
    value, position = bytearray(), 0
    while text[position : position + 1] != b'"':
        position += text[position : position + 1] == b"\\"
        value += text[position : position + 1]
        position += 1
    assert text[position:] == b'"\n'
    return bytes(value)


@given(st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=200))
def test_asterisk_reads_back_what_was_quoted(value: str) -> None:
    command = set_variable("X", value)
    assert command.count(b"\n") == 1
    assert unquoted(command) == value.encode()
