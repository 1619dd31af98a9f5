"""The words that the Asterisk side and ours share, in one place: a name that differed on one side would fail silently.

tests/dialplan checks that asterisk-conf uses exactly these.
"""

INBOUND = "leadline-inbound"
CLEAN = "leadline-clean"
ASK = "leadline-ask"
COPY = "leadline-copy"
FIND = "leadline-find"
WALK = "leadline-walk"
NAME = "leadline-name"
SHOWN = "leadline-shown"
COLLEAGUE = "leadline-colleague"
CALLEE = "leadline-callee"
CALLED = "leadline-called"
OUTGOING = "leadline-outgoing"
LINE = "leadline-line"
ORIGINATE = "leadline-originate"
TAKEN = "leadline-taken"
REJECT = "leadline-reject"
CHECK = "leadline-check"
INTERNAL = "leadline-internal"
PHONES = "leadline-phones"
HINTS = "leadline-hints"
FEATURES = "leadline-features"
VOICEMAIL = "leadline-voicemail"
FREEPBX = "leadline-freepbx"
RECORD = "leadline-record"
CONTEXTS = frozenset(
    {
        INBOUND,
        CLEAN,
        ASK,
        COPY,
        FIND,
        WALK,
        NAME,
        SHOWN,
        COLLEAGUE,
        CALLEE,
        CALLED,
        OUTGOING,
        LINE,
        ORIGINATE,
        TAKEN,
        REJECT,
        CHECK,
        INTERNAL,
        PHONES,
        HINTS,
        FEATURES,
        VOICEMAIL,
        FREEPBX,
        RECORD,
    }
)

PLAN = "LEADLINE_PLAN"
"""The channel variable by which a call gets its plan; the only one that is set from outside."""
FALLBACK_PLAN = "LEADLINE_FALLBACK_PLAN"
"""The global with the plan of calls that nothing else is known about."""
DID_PLAN = "LEADLINE_DID_"
"""The globals with the plan of each of our numbers; its digits follow."""

BYPASS = ("leadline", "bypass")
"""AstDB family and key: 1 takes Leadline out of the way."""
DID_FAMILY = "leadline-did"
"""AstDB family with the plan of each of our numbers, by its digits."""
RECORD_FAMILY = "leadline-record"
"""AstDB family with whose outgoing calls are recorded, by the key `outgoing`, and for some by keys as `phone-101`."""
OUTGOING_KEY = "outgoing"
PHONE_KEY = "phone-"
RECORD_ALL, RECORD_SOME, RECORD_NONE = "all", "some", "none"
RECORD_OUTGOING = "LEADLINE_RECORD_OUTGOING"
"""The global that says the same where AstDB does not: all, or the phones, as 101!102."""
PHONE_FAMILY = "leadline-phone"
"""AstDB family with each phone's kind of display and its employee's name, by its endpoint: dialplan.forms."""
PHONE_DISPLAY = "LEADLINE_PHONE_"
"""The globals that say the same where AstDB does not."""
NUMBER_FAMILY = "leadline-number"
"""AstDB family with each outside number's responsible and names."""
EMPLOYEE_FAMILY = "leadline-employee"
"""AstDB family with the step that rings each employee."""
COMPANY_FAMILY = "leadline-company"
"""AstDB family with what holds for all calls, by the keys that follow."""
COMPANY_PLAN, COMPANY_RULES = "plan", "numbers"
CHECKED = ("leadline-check", "fastagi")
"""AstDB family and key of the last check: its number, AGISTATUS, and `plan` or `nothing`."""

DIALPLAN = 1
"""The version of leadline.conf, and of what FreePBX includes beside it, that this Leadline brings; one more whenever
what they do changes."""
DIALPLAN_TOLD_BY = "version"
"""The extension of CHECK whose only step names that version; read, never called."""

ROUTE_PATH = "route"
"""The path of the FastAGI question."""
CALLEE_MARK = "to:"
"""What stands before the number in the question whom a phone calls."""
CHECK_DID = "check"
"""What a check asks for in place of a dialled number."""
TRUNK = "trunk"
"""The endpoint of the line to the public network."""
