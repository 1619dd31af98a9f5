"""The sipp scenarios of a phone and of a caller that do nothing by themselves: each step is told by a request of ours.

A test sends the request to sipp within the call's own Call-ID: its method chooses the step, its headers X-With and
X-Cseq say what with, and the number of the request that follows. So one phone can transfer what another one asked for,
and no step waits for a guessed time.
"""

TOLD = "DO"
"""What the methods of our requests begin with, before the name of the step."""

_ALLOW = "Allow: INVITE, ACK, CANCEL, BYE, REFER, NOTIFY, UPDATE, INFO, OPTIONS\n"
_BARE = "Content-Length: 0\n\n"
_VIA = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
_OWN_VIA = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK[pid]t[call_number]x[$number]\n"
_SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=phone 1 {version} IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio {media} RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a={mode}
"""
_KEY = "Content-Type: application/dtmf-relay\nContent-Length: [len]\n\nSignal=[$with]\nDuration=100\n"
REFUSALS = (302, 404, 480, 486, 503, 600, 603)
_HEARD_REFUSALS = (400, 403, 404, 408, 410, 480, 484, 486, 487, 488, 500, 502, 503, 600, 603)


def called(user: str, media: int) -> str:
    """A phone or a line of the public network that is rung: 180 at once, and all else as it is told."""
    own, far = "From:[$to];tag=[pid]p[call_number]\n", "To:[$from]\n"
    steps = [
        f'<recv request="INVITE" rrs="true"><action>{_keep("Via", "via")}{_keep("From", "from")}{_keep("To", "to")}'
        f"{_keep('CSeq', 'cseq')}</action></recv>",
        _answer(user, 180, "Ringing"),
        '<label id="ringing"/>',
        '<recv request="CANCEL" optional="true" next="cancelled"/>',
        *_told("answer", *map(str, REFUSALS), otherwise="ringing"),
        '<label id="answer"/>',
        _answer(user, 200, "OK", body=_sdp(media), retransmit=True),
        *_acknowledged("talk", "taken"),
    ]
    for status in REFUSALS:
        contact = "Contact:[$with]\n" if status == 302 else ""
        steps += [
            f'<label id="{status}"/>',
            _answer(user, status, "Told", extra=contact, retransmit=True),
            *_acknowledged("end", f"refused{status}"),
        ]
    steps += [
        '<label id="cancelled"/>',
        _send(_reply(200)),
        _answer(user, 487, "Request Terminated", retransmit=True),
        '<recv request="ACK" next="end"/>',
        *_talk(own + far, user, media),
    ]
    return _scenario(*steps)


def calling(user: str, to: str, media: int, name: str | None = None) -> str:
    """A caller: INVITE at once, and all else as he is told."""
    shown = f'"{name}" ' if name else ""
    head = (
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK[pid]x[call_number]\n"
        f"From: {shown}<sip:{user}@[local_ip]>;tag=[pid]c[call_number]\n"
    )
    tail = "Call-ID: [call_id]\nCSeq: 1 {method}\nMax-Forwards: 70\n"
    uri = f"sip:{to}@[remote_ip]:[remote_port]"
    contact = f"Contact: <sip:{user}@[local_ip]:[local_port]>\n"
    ack = f"ACK {uri} SIP/2.0\n{head}[last_To:]\n{tail.format(method='ACK')}{_BARE}"
    keep = f"<action>{_keep('To', 'to')}{_keep('From', 'from')}</action>"
    steps = [
        _send(
            f"INVITE {uri} SIP/2.0\n{head}To: <{uri}>\n{tail.format(method='INVITE')}{contact}{_ALLOW}{_sdp(media)}",
            retransmit=True,
        ),
        '<label id="early"/>',
        *(f'<recv response="{code}" optional="true" next="early"/>' for code in (100, 180, 181, 182, 183)),
        *(f'<recv response="{code}" optional="true" next="refused"/>' for code in _HEARD_REFUSALS),
        f'<recv response="200" optional="true" rrs="true" next="answered">{keep}</recv>',
        *_told("cancel", otherwise="early"),
        '<label id="cancel"/>',
        _send(f"CANCEL {uri} SIP/2.0\n{head}To: <{uri}>\n{tail.format(method='CANCEL')}{_BARE}", retransmit=True),
        '<recv response="200" optional="true"/>',
        '<recv response="487"/>',
        '<label id="refused"/>',
        _send(ack, goto="end"),
        '<label id="answered"/>',
        _send(
            f"ACK [next_url] SIP/2.0\n{_VIA}[last_From:]\n[last_To:]\n[last_Call-ID:]\nCSeq: 1 ACK\n"
            f"Max-Forwards: 70\n{_BARE}",
            goto="talk",
        ),
        *_talk("From:[$from]\nTo:[$to]\n", user, media),
    ]
    return _scenario(*steps)


def _talk(ends: str, user: str, media: int) -> list[str]:
    """The conversation: whatever Asterisk asks is answered, whatever the test tells is done."""

    def request(method: str, more: str, *, retransmit: bool = True, goto: str | None = None) -> str:
        text = (
            f"{method} [next_url] SIP/2.0\n{_OWN_VIA}{ends}[last_Call-ID:]\nCSeq: [$number] {method}\n"
            "Max-Forwards: 70\n"
            f"Contact: <sip:{user}@[local_ip]:[local_port]>\n{more}"
        )
        return _send(text, retransmit=retransmit, goto=goto)

    def reoffer(label: str, mode: str, version: int) -> list[str]:
        return [
            f'<label id="{label}"/>',
            request("INVITE", _ALLOW + _sdp(media, mode, version)),
            '<recv response="100" optional="true"/>',
            '<recv response="200"/>',
            request("ACK", _BARE, retransmit=False, goto="talk"),
        ]

    return [
        # sipp takes an answer only in steps after the one that sends its request, so the wait comes last. Nor does it
        # take anything while it stands at a step that only leads on: both ends go to the wait at once.
        '<label id="refer"/>',
        request("REFER", f"Refer-To:[$with]\nReferred-By: <sip:{user}@[local_ip]>\n{_BARE}", goto="talk"),
        '<label id="info"/>',
        request("INFO", _KEY, goto="talk"),
        *reoffer("hold", "sendonly", 2),
        *reoffer("unhold", "sendrecv", 3),
        '<label id="reinvited"/>',
        _send(_reply(200, f"Contact: <sip:{user}@[local_ip]:[local_port]>\n{_sdp(media, 'sendrecv', 4)}")),
        '<recv request="ACK" next="talk"/>',
        '<label id="bye"/>',
        request("BYE", _BARE),
        '<recv response="200" next="end"/>',
        '<label id="ended"/>',
        _send(_reply(200), goto="end"),
        '<label id="talk"/>',
        '<recv request="BYE" optional="true" next="ended"/>',
        '<recv request="INVITE" optional="true" next="reinvited"/>',
        *(
            f'<recv response="{code}" optional="true" next="talk"/>'
            for code in (100, 200, 202, 400, 481, 488, 500, 603)
        ),
        *_told("bye", "refer", "info", "hold", "unhold", otherwise="talk"),
        '<label id="end"/>',
        "<nop/>",
    ]


def _acknowledged(then: str, label: str) -> list[str]:
    """Wait for ACK; a busy Asterisk repeats its INVITE meanwhile, which sipp knows for a repetition only where nothing
    else, such as our word, came after it."""
    return [
        f'<label id="{label}"/>',
        f'<recv request="INVITE" optional="true" next="{label}"/>',
        f'<recv request="ACK" next="{then}"/>',
    ]


def _told(*known: str, otherwise: str) -> list[str]:
    """Wait for the test's word and go to the step of that name; it is the last wait of a row.

    Each word is a request of its own, not one request with a choice after it: sipp gives a call up when anything comes
    while it stands at a step that only chooses.
    """
    words = _keep("X-With", "with") + _keep("X-Cseq", "number", "[0-9]+")
    return [
        *(
            f'<recv request="{TOLD}{name}" optional="true" next="{name}"><action>{words}</action></recv>'
            for name in known
        ),
        f'<recv request="{TOLD}nothing" next="{otherwise}"/>',
    ]


def _keep(header: str, name: str, what: str = ".*") -> str:
    return f'<ereg regexp="{what}" search_in="hdr" header="{header}:" assign_to="{name}"/>'


def _sdp(media: int, mode: str = "sendrecv", version: int = 1) -> str:
    return _SDP.format(media=media, mode=mode, version=version)


def _answer(
    user: str, status: int, phrase: str, *, extra: str = "", body: str = _BARE, retransmit: bool = False
) -> str:
    contact = extra or f"Contact: <sip:{user}@[local_ip]:[local_port]>\n"
    return _send(
        f"SIP/2.0 {status} {phrase}\nVia:[$via]\nFrom:[$from]\nTo:[$to];tag=[pid]p[call_number]\n[last_Call-ID:]\n"
        f"CSeq:[$cseq]\n{contact}{_ALLOW}{body}",
        retransmit=retransmit,
    )


def _reply(status: int, more: str = _BARE) -> str:
    return f"SIP/2.0 {status} OK\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n{more}"


def _send(text: str, *, retransmit: bool = False, goto: str | None = None) -> str:
    attributes = (' retrans="500"' if retransmit else "") + (f' next="{goto}"' if goto else "")
    return f"<send{attributes}><![CDATA[\n{text}]]></send>"


def _scenario(*steps: str) -> str:
    return '<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="stage">\n' + "\n".join(steps) + "\n</scenario>\n"
