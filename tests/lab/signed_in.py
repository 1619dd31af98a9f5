"""Waits until Asterisk knows that a phone is there no more; it learns so a little after the phone said it."""

from leadline.demo.asterisk import AsteriskInstance
from leadline.demo.sipp import await_value


def await_no_phone(asterisk: AsteriskInstance, number: str) -> None:
    """Wait until `number` would not be rung: Asterisk takes a moment to see that a phone has signed out."""
    state = f"dialplan eval function DEVICE_STATE(PJSIP/{number})"
    await_value(lambda: "UNAVAILABLE" in asterisk.cli(state) or None, 20, f"phone {number} to be away")
