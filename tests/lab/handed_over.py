"""Waits until Asterisk has brought together who have answered: in the instant of an answer nobody can be handed over.

Asterisk 22 ends by a fault of its own (a null pointer in bridge_basic.c: "Unexpected stimulus 'Transfer Target Answer'
received in attended transfer state 'Blond Non-Final'") when the target answers within the milliseconds in which whoever
transfers by keys hangs up.
"""

import re

from leadline.demo.asterisk import AsteriskInstance
from leadline.demo.sipp import await_value


def await_together(asterisk: AsteriskInstance, *phones: str) -> None:
    """Wait until whatever rang at these phones talks in Asterisk, as it does a moment after the answer.

    Between two that talk there may be Local channels: who was asked by keys is rung through them.
    """

    def all_talk() -> bool:
        rows = asterisk.channel_rows()
        theirs = {phone: [row for row in rows if re.match(rf"(PJSIP|Local)/{phone}[-@]", row[0])] for phone in phones}
        return all(found and all(row[4] == "Up" and row[-2] for row in found) for found in theirs.values())

    await_value(lambda: all_talk() or None, 20, f"{' and '.join(phones)} to talk")


def await_handed_over(asterisk: AsteriskInstance, transferer: str, caller: str) -> None:
    """Wait until the phone `transferer` has left, and `caller` is together with whom he is handed to.

    This is the end of a semi-attended transfer's first half, before which the target must not answer.
    """

    def is_done() -> bool:
        rows = asterisk.channel_rows()
        theirs = {row[-2] for row in rows if row[-7] == caller and row[0].startswith("PJSIP/")}
        together = [row for row in rows if row[-2] in theirs - {""}]
        return len(together) > 1 and not any(row[0].startswith(f"PJSIP/{transferer}-") for row in together)

    await_value(lambda: is_done() or None, 20, f"{caller} to be handed over by {transferer}")
