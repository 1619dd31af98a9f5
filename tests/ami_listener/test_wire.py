"""The wire form of AMI: whatever the chunks, the same messages; whatever the bytes, no crash."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ami_listener.wire import MAX_MESSAGE, Decoder, HeaderLines, Message, WireError, read_headers


def decode(*chunks: bytes, wanted: frozenset[bytes] | None = None) -> list[Message]:
    decoder = Decoder(wanted)
    return [message for chunk in chunks for message in decoder.feed(chunk)]


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def test_event_is_read_with_crlf_and_with_lf() -> None:
    for end in (b"\r\n", b"\n"):
        data = end.join([b"Event: Hangup", b"Cause: 16", b"Cause-txt: Normal Clearing", b"Empty:", b"", b""])
        assert decode(data) == [{"Event": "Hangup", "Cause": "16", "Cause-txt": "Normal Clearing", "Empty": ""}]


def test_banner_is_no_message_and_tells_the_version() -> None:
    decoder = Decoder()
    messages = list(decoder.feed(b"Asterisk Call Manager/11.0.0\r\nResponse: Success\r\nMessage: Hi: there\r\n\r\n"))
    assert messages == [{"Response": "Success", "Message": "Hi: there"}]
    assert decoder.version == "11.0.0"


def test_letter_split_over_chunks_survives() -> None:
    data = "Event: NewCallerid\r\nCallerIDName: Щербань\r\n\r\n".encode()
    cut = data.index("Щ".encode()) + 1
    assert decode(data[:cut], data[cut:])[0]["CallerIDName"] == "Щербань"


def test_broken_utf8_is_replaced_not_fatal() -> None:
    assert decode(b"Event: X\r\nName: \xff\xd0A\r\n\r\n")[0]["Name"] == "��A"


def test_repeated_headers_are_all_kept() -> None:
    message = decode(b"Event: N\nChanVariable: a=1\nChanVariable: b=2\nChanVariable: c=3\nEvent: again\n\n")[0]
    assert message["ChanVariable"] == "a=1"
    assert message.all("ChanVariable") == ("a=1", "b=2", "c=3")
    assert message["Event"] == "N"
    assert message.all("Nothing") == ()


def test_other_unicode_line_ends_stay_in_the_value() -> None:
    assert decode("Event: N\nCallerIDName: a\u2028b\x0bc\x85d\n\n".encode())[0]["CallerIDName"] == "a\u2028b\x0bc\x85d"


def test_unwanted_events_are_skipped_but_answers_to_actions_are_not() -> None:
    data = b"Event: VarSet\nA: 1\n\nEvent: Hangup\n\nEvent: VarSet\nActionID: 7\n\nResponse: Success\n\n"
    names = [m.get("Event", m.get("Response")) for m in decode(data, wanted=frozenset({b"Hangup"}))]
    assert names == ["Hangup", "VarSet", "Success"]


@pytest.mark.parametrize("chunks", [[b"A: " + b"x" * MAX_MESSAGE + b"\n\n"], [b"x" * 65536] * 17])
def test_message_beyond_the_cap_breaks_the_connection(chunks: list[bytes]) -> None:
    with pytest.raises(WireError):
        decode(*chunks)


def test_headers_of_one_message_are_bounded() -> None:
    block = b"".join(b"H%d: x\n" % number for number in range(100_000))
    assert len(decode(block[: MAX_MESSAGE - 10] + b"\n\n")[0]) <= 2000


HEADER = st.tuples(
    st.text(st.characters(codec="utf-8", exclude_characters=":\r\n"), min_size=1),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=30),
)


@given(st.lists(st.lists(HEADER, min_size=1), min_size=1), st.lists(st.integers(0, 10_000)), st.booleans())
def test_any_chunking_gives_the_same_messages(
    messages: list[list[tuple[str, str]]], cuts: list[int], crlf: bool
) -> None:
    text = "".join("".join(f"{n}: {v}\n" for n, v in headers) + "\n" for headers in messages)
    data = (text.replace("\n", "\r\n") if crlf else text).encode()
    whole = decode(data)
    assert decode(*pieces(data, cuts)) == whole
    assert [next(iter(m.values())) for m in whole] == [headers[0][1] for headers in messages]


@given(st.binary(max_size=300).map(lambda b: b.replace(b"\x00", b"\r\n")), st.lists(st.integers(0, 1000)))
def test_garbage_never_raises_and_never_depends_on_chunks(data: bytes, cuts: list[int]) -> None:
    assert decode(*pieces(data, cuts)) == decode(data)


@given(st.binary(max_size=300).map(lambda b: b.replace(b"\x00", b"\nA:").replace(b"\x01", b"\nUniqueid: ")))
def test_headers_looked_up_are_those_that_are_read(block: bytes) -> None:
    lines = HeaderLines(block)
    assert dict(lines) == {name: lines[name] for name in lines} == dict(read_headers(block))
    assert lines.get("Nothing of the kind") is None
    assert len(lines) == len(read_headers(block))
