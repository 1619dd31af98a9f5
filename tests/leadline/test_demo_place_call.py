"""`make call` refuses values that are no numbers, and simulates only the phones that nobody has plugged in."""

from collections import Counter
from pathlib import Path

import pytest

from leadline.demo import place_call
from leadline.demo.phones import Calls
from leadline.demo.place_call import check_values, registered_phones
from leadline.demo.scenarios import Account
from leadline.demo.state import DemoError, Running, announce, keep_secrets, only_run

CONTACTS = """
  Contact:  <Aor/ContactUri..............................> <Hash....> <Status> <RTT(ms)..>
==========================================================================================

  Contact:  101/sip:101@127.0.0.1:25193                    9b452cb624 Avail         0.350
  Contact:  102/sip:102@192.0.2.7:5060;transport=udp       1585eeb527 Unavail        nan
  Contact:  103/sip:103@127.0.0.1:30564                    a4dba48124 NonQual        nan
  Contact:  trunk/sip:127.0.0.1:5080                       f14e3c81c5 NonQual        nan

Objects found: 4
"""


def test_a_phone_counts_as_real_unless_it_is_unreachable() -> None:
    assert registered_phones(CONTACTS) == {"101", "103"}
    assert registered_phones("No objects found.") == set()


@pytest.mark.parametrize("caller", ["+380501234567", "0501234567", "00491711234567", "anonymous"])
def test_takes_callers_in_every_form(caller: str) -> None:
    check_values(caller, "0441234567", "Іван Щусь", "UA")


@pytest.mark.parametrize(
    ("caller", "dialled", "name", "wrong"),
    [
        ("", "0441234567", None, "FROM"),
        ("101", "0441234567", None, "FROM"),
        ("+38050123456x", "0441234567", None, "FROM"),
        ("+380501234567;x=y", "0441234567", None, "FROM"),
        ("+380501234567", "", None, "TO"),
        ("+380501234567", "101", None, "TO"),
        ("+380501234567", "101&PJSIP/102", None, "TO"),
        ("+380501234567", "anonymous", None, "TO"),
        ("+380501234567", "0441234567", "x" * 81, "NAME"),
        ("+380501234567", "0441234567", "a\r\nContact: b", "NAME"),
    ],
)
def test_refuses_what_is_no_number_or_name(caller: str, dialled: str, name: str | None, wrong: str) -> None:
    with pytest.raises(DemoError, match=wrong):
        check_values(caller, dialled, name, "UA")


def test_nobody_calls_before_asterisk_knows_of_each_simulated_phone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would not ring whoever signed in last, as Asterisk takes note of a phone a moment after it heard of it."""
    asked: Counter[str] = Counter()

    class SignedIn:
        def __init__(self, account: Account, *_how: object) -> None:
            self.account = account

        def __enter__(self) -> "SignedIn":
            return self

        def __exit__(self, *_error: object) -> None:
            pass

    def console(_running: Running, command: str) -> str:
        asked[command] += 1
        if command == "pjsip show contacts":
            return "  Contact:  101/sip:101@192.0.2.7:5060  9b452cb624 Avail  0.350"
        return "Result: UNAVAILABLE" if asked[command] < 3 else "Result: NOT_INUSE"

    def call(*_how: object) -> Calls:
        raise DemoError("called")

    for name, fake in (("Phone", SignedIn), ("_console", console), ("Calls", call)):
        monkeypatch.setattr(place_call, name, fake)
    with only_run(tmp_path):
        keep_secrets(tmp_path)
        announce(tmp_path, Running("127.0.0.1", 5060, "", "", "UA", "", ""), {})
        with pytest.raises(DemoError, match="called"):
            place_call.place_call(tmp_path, "+380501234567", "0441234567", None)
    assert {command[-4:-1]: times for command, times in asked.items() if "STATE" in command} == {"102": 3, "103": 3}
