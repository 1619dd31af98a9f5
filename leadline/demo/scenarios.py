"""Writes the sipp scenarios of simulated phones and outside callers: what each does when, as XML that sipp runs."""

import re
from dataclasses import dataclass

# Every answer by which a call can be refused; sipp must be told each.
_REFUSALS: tuple[int, ...] = (
    *(400, 401, 403, 404, 405, 408, 410, 480, 481, 482, 483, 484, 485, 486, 487, 488, 491),
    *(500, 501, 502, 503, 504, 600, 603, 604, 606),
)
_SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=phone 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio [media_port] RTP/AVP 8
a=rtpmap:8 PCMA/8000
"""
_NO_BODY = "Content-Length: 0\n\n"
_VIA = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
_OK = f"SIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n{_NO_BODY}"
_PLAIN = re.compile(rb"[A-Za-z0-9 +.@_;=:<>-]")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a simulated phone does with each call.

    It rings for `ring_seconds` and then gives `status`: 200 answers and talks for `talk_seconds` (None: until the
    other side hangs up), 486 is busy, 603 declines, 302 sends the call to `forward_to`. With status None it only
    rings until the caller or the PBX gives up. `on_talk` is what a NOTIFY `Event: talk` does while it rings: 200 makes
    it answer, another status refuses; None takes no notice of it.
    """

    status: int | None = 200
    ring_seconds: float = 0.2
    talk_seconds: float | None = None
    forward_to: str | None = None
    on_talk: int | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """A phone's name and password at the PBX."""

    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Dialling:
    """One call that a simulated caller makes.

    `display_name` None sends none. It hangs up `talk_seconds` after the answer (None: never by itself) and gives up
    after `patience_seconds` in which nothing new happened. `account` is a phone's; without it the call comes from
    outside.
    `hidden` withholds number and name as networks do towards a PBX that they trust (RFC 3323, RFC 3325): From is
    anonymous, and the number stands in P-Asserted-Identity, for the PBX alone.
    """

    number: str
    to: str
    display_name: str | None = None
    talk_seconds: float | None = 1.0
    patience_seconds: float = 60.0
    account: Account | None = None
    hidden: bool = False


def literal(text: str) -> str:
    """`text` as sipp sends it unchanged: each byte that could mean something to sipp or to XML is written in hex."""
    return "".join(chr(byte) if _PLAIN.match(bytes([byte])) else f"\\x{byte:02x}" for byte in text.encode())


def quoted(name: str) -> str:
    """A SIP quoted string; line breaks cannot be in one and become spaces."""
    flat = re.sub(r"[\r\n\0]", " ", name)
    return literal('"' + flat.replace("\\", "\\\\").replace('"', '\\"') + '"')


def register(account: Account, expires: int) -> str:
    """A phone signs in for `expires` seconds and waits half of them, when it is time again; with 0 it signs out."""

    def request(sequence: int, extra: str = "") -> str:
        return _send(
            f"REGISTER sip:[remote_ip]:[remote_port] SIP/2.0\n{_VIA}"
            f"From: <sip:{account.user}@[remote_ip]>;tag=[pid]r\nTo: <sip:{account.user}@[remote_ip]>\n"
            f"Call-ID: [call_id]\nCSeq: {sequence} REGISTER\n"
            f"Contact: <sip:{account.user}@[local_ip]:[local_port]>\n{extra}"
            f"Expires: {expires}\nMax-Forwards: 70\n{_NO_BODY}",
            retransmit=True,
        )

    return _scenario(
        request(1),
        '<recv response="401" auth="true"/>',
        request(2, _authentication(account)),
        '<recv response="200"/>',
        *([f'<pause milliseconds="{expires * 500}"/>'] if expires else []),
    )


def phone(user: str, behaviour: Behaviour) -> str:
    """A phone that waits for calls and treats each by `behaviour`."""
    steps = [_invited(), _answer(user, 180, "Ringing")]
    milliseconds = round(behaviour.ring_seconds * 1000)
    limit = "" if behaviour.status is None else f' timeout="{max(1, milliseconds)}" ontimeout="decide"'
    if behaviour.on_talk is not None:
        # Of a row of optional steps sipp heeds the time-out of the first.
        steps.append(f'<label id="ring"/><recv request="NOTIFY" optional="true" next="talk"{limit}/>')
    steps.append(f'<recv request="CANCEL"{limit} next="cancelled"/>')
    if behaviour.on_talk is not None:
        steps.append('<label id="talk"/>')
        steps.append(
            _send(
                _OK.replace("200 OK", f"{behaviour.on_talk} Scripted"),
                goto=None if behaviour.on_talk == 200 else "ring",
            )
        )
    if behaviour.status is not None:
        steps.append('<label id="decide"/>')
    if behaviour.status == 200 or (behaviour.status is None and behaviour.on_talk == 200):
        steps += _conversation_of_phone(user, behaviour.talk_seconds)
    elif behaviour.status is not None:
        contact = f"Contact: <sip:{literal(behaviour.forward_to)}@[remote_ip]>\n" if behaviour.forward_to else ""
        steps.append(_answer(user, behaviour.status, "Scripted", extra=contact, retransmit=True))
        steps.append('<recv request="ACK" next="end"/>')
    steps += [
        '<label id="cancelled"/>',
        _send(_OK),
        _answer(user, 487, "Request Terminated", retransmit=True),
        '<recv request="ACK"/>',
        '<label id="end"/>',
        "<nop/>",
    ]
    return _scenario(*steps)


def caller(call: Dialling) -> str:
    """A caller, from outside or from a phone, who makes one call."""
    steps = [_invite(call, 1)]
    last = 1
    if call.account:
        last = 2
        steps += [
            '<recv response="100" optional="true"/>',
            '<recv response="401" auth="true"/>',
            _ack_refusal(call, 1),
            _invite(call, 2, _authentication(call.account)),
        ]
    # sipp heeds the time-out of the first step of a row of optional ones; which that is changes with what came.
    limit = f'timeout="{max(1, round(call.patience_seconds * 1000))}" ontimeout="give-up"'
    steps += [f'<recv response="{status}" optional="true" {limit}/>' for status in (100, 180, 181, 182, 183)]
    steps += [f'<recv response="{status}" optional="true" next="refused" {limit}/>' for status in _REFUSALS]
    steps += [
        f'<recv response="200" rrs="true" {limit}/>',
        *_conversation_of_caller(call, last),
        '<label id="give-up"/>',
        _send(_request(call, "CANCEL", last, branch=last) + _NO_BODY, retransmit=True),
        '<recv response="200" optional="true"/>',
        '<recv response="487"/>',
        '<label id="refused"/>',
        _ack_refusal(call, last),
        '<label id="end"/>',
        "<nop/>",
    ]
    return _scenario(*steps)


def _conversation_of_caller(call: Dialling, invite: int) -> list[str]:
    in_dialog = "[last_From:]\n[last_To:]\n[last_Call-ID:]\nMax-Forwards: 70\n"
    limit = "" if call.talk_seconds is None else f' timeout="{max(1, round(call.talk_seconds * 1000))}" ontimeout="bye"'
    return [
        _send(f"ACK [next_url] SIP/2.0\n{_VIA}{in_dialog}CSeq: {invite} ACK\n{_NO_BODY}"),
        f'<recv request="BYE"{limit} next="ended"/>',
        '<label id="bye"/>',
        _send(f"BYE [next_url] SIP/2.0\n{_VIA}{in_dialog}CSeq: {invite + 1} BYE\n{_NO_BODY}", retransmit=True),
        '<recv response="200" next="end"/>',
        '<label id="ended"/>',
        _send(_OK, goto="end"),
    ]


def _conversation_of_phone(user: str, talk_seconds: float | None) -> list[str]:
    limit = "" if talk_seconds is None else f' timeout="{max(1, round(talk_seconds * 1000))}" ontimeout="bye"'
    bye = (
        f"BYE [next_url] SIP/2.0\n{_VIA}From:[$to];tag=[pid]p[call_number]\nTo:[$from]\n[last_Call-ID:]\n"
        f"CSeq: 1 BYE\nMax-Forwards: 70\n{_NO_BODY}"
    )
    return [
        _answer(user, 200, "OK", body=_SDP, retransmit=True),
        '<recv request="ACK"/>',
        f'<recv request="BYE"{limit} next="ended"/>',
        '<label id="bye"/>',
        _send(bye, retransmit=True),
        '<recv response="200" next="end"/>',
        '<label id="ended"/>',
        _send(_OK, goto="end"),
    ]


def _invited() -> str:
    keep = "".join(
        f'<ereg regexp=".*" search_in="hdr" header="{header}:" assign_to="{name}"/>'
        for header, name in (("Via", "via"), ("From", "from"), ("To", "to"), ("CSeq", "cseq"))
    )
    return f'<recv request="INVITE" rrs="true"><action>{keep}</action></recv>'


def _answer(
    user: str, status: int, phrase: str, *, extra: str = "", body: str = _NO_BODY, retransmit: bool = False
) -> str:
    """Answer the INVITE, whatever has come since."""
    contact = extra or f"Contact: <sip:{user}@[local_ip]:[local_port]>\n"
    return _send(
        f"SIP/2.0 {status} {phrase}\nVia:[$via]\nFrom:[$from]\nTo:[$to];tag=[pid]p[call_number]\n[last_Call-ID:]\n"
        f"CSeq:[$cseq]\n{contact}{body}",
        retransmit=retransmit,
    )


def _invite(call: Dialling, sequence: int, extra: str = "") -> str:
    return _send(
        f"{_request(call, 'INVITE', sequence, branch=sequence)}{extra}"
        f"Contact: <sip:caller@[local_ip]:[local_port]>\n{_privacy(call)}{_SDP}",
        retransmit=True,
    )


def _ack_refusal(call: Dialling, sequence: int) -> str:
    text = _request(call, "ACK", sequence, branch=sequence)
    return _send(re.sub(r"^To: .*\n", "[last_To:]\n", text, flags=re.MULTILINE) + _NO_BODY)


def _request(call: Dialling, method: str, sequence: int, *, branch: int) -> str:
    """The head of a request outside a dialog; requests of one transaction share the branch."""
    if call.hidden:
        caller_address = '"Anonymous" <sip:anonymous@anonymous.invalid>'
    else:
        name = f"{quoted(call.display_name)} " if call.display_name is not None else ""
        caller_address = f"{name}<sip:{literal(call.number)}@[local_ip]>"
    target = literal(call.to)
    return (
        f"{method} sip:{target}@[remote_ip]:[remote_port] SIP/2.0\n"
        f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK[pid]x[call_number]x{branch}\n"
        f"From: {caller_address};tag=[pid]c[call_number]\nTo: <sip:{target}@[remote_ip]>\n"
        f"Call-ID: [call_id]\nCSeq: {sequence} {method}\nMax-Forwards: 70\n"
    )


def _privacy(call: Dialling) -> str:
    return f"P-Asserted-Identity: <sip:{literal(call.number)}@[local_ip]>\nPrivacy: id\n" if call.hidden else ""


def _authentication(account: Account) -> str:
    return f"[authentication username={account.user} password={account.password}]\n"


def _send(text: str, *, retransmit: bool = False, goto: str | None = None) -> str:
    attributes = (' retrans="500"' if retransmit else "") + (f' next="{goto}"' if goto else "")
    return f"<send{attributes}><![CDATA[\n{text}]]></send>"


def _scenario(*steps: str) -> str:
    return '<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="leadline">\n' + "\n".join(steps) + "\n</scenario>\n"
