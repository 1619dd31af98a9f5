"""Reads a caller's name as the network meant it: PJSIP leaves in it the backslashes of a SIP quoted string."""

import re

_QUOTED_PAIR = re.compile(r"""\\(["'\\])""")


def as_meant(name: str) -> str:
    """`O\\'Neil` as O'Neil (RFC 3261, 25.1); who writes a backslash before a letter meant none, so it stays."""
    return _QUOTED_PAIR.sub(r"\1", name) if "\\" in name else name
