"""Waits until Asterisk knows that a phone is there; it learns so a little after the phone has signed in."""

from leadline.demo.asterisk import AsteriskInstance
from leadline.demo.sipp import await_value


def await_phone(asterisk: AsteriskInstance, number: str) -> None:
    """Wait until `number` would be rung: before its answer to OPTIONS is read, it counts as away."""
    state = f"dialplan eval function DEVICE_STATE(PJSIP/{number})"
    await_value(lambda: "NOT_INUSE" in asterisk.cli(state) or None, 20, f"phone {number} to be there")
