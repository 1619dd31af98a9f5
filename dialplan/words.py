"""The words that the Asterisk side and ours share, in one place: a name that differed on one side would fail silently.

tests/dialplan checks that asterisk-conf uses exactly these.
"""

# Contexts
INBOUND = "leadline-inbound"
ASK = "leadline-ask"
WALK = "leadline-walk"
NAME = "leadline-name"
OUTGOING = "leadline-outgoing"
LINE = "leadline-line"
ORIGINATE = "leadline-originate"
CHECK = "leadline-check"
INTERNAL = "leadline-internal"
PHONES = "leadline-phones"
HINTS = "leadline-hints"

# Channel variables; PLAN is the only one that we set from outside
PLAN = "LEADLINE_PLAN"

# Globals of leadline-globals.conf and leadline-defaults.conf
FALLBACK_PLAN = "LEADLINE_FALLBACK_PLAN"

# AstDB: family and, where there is but one, key
BYPASS = ("leadline", "bypass")
DID_FAMILY = "leadline-did"
CHECKED = ("leadline-check", "fastagi")

# The endpoint of the trunk, and what its channels are called
TRUNK = "trunk"

# FastAGI: the path of the question, and what a check asks for in place of a dialled number
ROUTE_PATH = "route"
CHECK_DID = "check"
