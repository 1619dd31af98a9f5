"""Waits until Asterisk knows that a phone is there no more; it learns so a little after the phone said it."""

from leadline.demo.asterisk import AsteriskInstance
from leadline.demo.phones import device_state
from leadline.demo.sipp import await_value


def await_no_phone(asterisk: AsteriskInstance, number: str) -> None:
    """Wait until `number` would not be rung: Asterisk takes a moment to see that a phone has signed out."""
    await_value(lambda: "UNAVAILABLE" in device_state(asterisk.cli, number) or None, 20, f"phone {number} to be away")
