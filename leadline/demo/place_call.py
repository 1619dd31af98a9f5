"""`make call`: one call from outside into the running demonstration, told as it happens."""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from dialplan.render import PHONES
from leadline.demo import docker, record
from leadline.demo.asterisk import ask_console
from leadline.demo.phones import Calls, Outcome, Phone, await_there
from leadline.demo.scenarios import Behaviour, Dialling
from leadline.demo.state import DemoError, Running, find_running, keep_secrets
from leadline.demo.voice import Voice
from leads.domain.numbers import NumberKind, read_number

HIDDEN = "anonymous"
_LONGEST_NAME = 80
_TALK_SECONDS = 4.0
_PATIENCE_SECONDS = 60.0
_CONTACT = re.compile(r"Contact:\s+(?P<phone>\d+)/\S+\s+\S+\s+(?P<state>\w+)")
# How long each simulated phone rings before it is answered: the order tells which one wins in a group.
_ANSWERS_AFTER = {"101": 2.0, "102": 4.0, "103": 3.0}


def place_call(folder: Path, caller: str, dialled: str, name: str | None) -> None:
    """Place the call and tell what happens; phones that are simulated for it sign out afterwards.

    Args:
        folder: the running demonstration's.
        caller: the calling number in any form, or `anonymous`.
        dialled: one of our numbers, in any form.
        name: what the trunk delivers as the caller's name.

    Raises:
        DemoError: nothing runs, or a value is no number or name.
    """
    running = find_running(folder)
    check_values(caller, dialled, name, running.region)
    secrets = keep_secrets(folder)
    registered = registered_phones(_console(running, "pjsip show contacts"))
    pbx = (running.sip_address, running.sip_port)
    with ExitStack() as parts:
        simulated = {
            number: parts.enter_context(
                Phone(secrets.account(number), pbx, Behaviour(ring_seconds=_ANSWERS_AFTER[number]))
            )
            for number in PHONES
            if number not in registered
        }
        for number in simulated:
            await_there(partial(_console, running), number)
        for number in sorted(registered):
            print(f"Phone {number} is a real one: answer there when it rings.")
        dialling = Dialling(
            caller,
            dialled,
            name,
            talk_seconds=_TALK_SECONDS,
            patience_seconds=_PATIENCE_SECONDS,
            hidden=caller == HIDDEN,
        )
        who = "A caller who hides his number" if dialling.hidden else caller
        print(f"{who} calls {dialled} from outside{f', as “{name}”' if name else ''}.")
        calls = Calls(dialling, pbx)
        parts.callback(calls.break_off)
        outcome = _tell(calls, simulated)
    print(asyncio.run(record.tell(running.database_url, running.panel, dialling, outcome.started_at, running.region)))


def check_values(caller: str, dialled: str, name: str | None, region: str) -> None:
    """Refuse what is no number or name before anything is dialled.

    Raises:
        DemoError: naming the value and an example.
    """
    if caller != HIDDEN and (not _plain(caller) or read_number(caller, region).kind is not NumberKind.OUTSIDE):
        raise DemoError(f"FROM={caller!r} is no telephone number; give one as in FROM=+380501234567, or FROM={HIDDEN}")
    if not _plain(dialled) or read_number(dialled, region).kind is not NumberKind.OUTSIDE:
        raise DemoError(f"TO={dialled!r} is no number of ours; give one as in TO=0441234567")
    if name is not None and (len(name) > _LONGEST_NAME or not name.isprintable()):
        raise DemoError(f"NAME may have {_LONGEST_NAME} printable characters at most, as in NAME='Іван Щусь'")


def registered_phones(contacts: str) -> set[str]:
    """Which phones have a real telephone behind them, as `pjsip show contacts` tells; unreachable ones have none."""
    found = (match for line in contacts.splitlines() if (match := _CONTACT.search(line)))
    return {match["phone"] for match in found if match["state"] != "Unavail"} & set(PHONES)


def _plain(number: str) -> bool:
    return re.fullmatch(r"\+?[0-9]{3,15}", number) is not None


def _console(running: Running, command: str) -> str:
    if running.container:
        return docker.console(running.container, command)
    return ask_console(Path(running.console), command)


def _tell(calls: Calls, phones: dict[str, Phone]) -> Outcome:
    """Print each thing that happens, once, as soon as it is seen, until the call is over.

    The caller's voice is a tone, so that a recording of the call has something in it.
    """
    with ExitStack() as speaking:
        return _tell_all(calls, phones, speaking)


def _tell_all(calls: Calls, phones: dict[str, Phone], speaking: ExitStack) -> Outcome:
    began = time.monotonic()
    told: set[str] = set()
    speaks = False
    while True:
        over = not calls.running
        outcome = next(iter(calls.outcomes()), None)
        if outcome and outcome.answered_at and not speaks:
            speaking.enter_context(Voice(outcome.messages))
            speaks = True
        for line in (*_of_phones(phones), *(_of_caller(outcome) if outcome else ())):
            if line not in told:
                told.add(line)
                print(f"  {time.monotonic() - began:5.1f} s  {line}", flush=True)
        if over:
            if outcome is None:
                raise DemoError(f"the call was not placed:\n{calls.report()}")
            return outcome
        time.sleep(0.05)


def _of_phones(phones: dict[str, Phone]) -> Iterator[str]:
    for number, phone in phones.items():
        for count, call in enumerate(phone.calls(), 1):
            again = f" again ({count})" if count > 1 else ""
            display = f"{call.name} " if call.name else ""
            yield f"phone {number} rings{again}, its display shows: {display}<{call.number}>"
            if call.answered_at:
                yield f"phone {number} answers{again}"
            elif call.end == "cancelled":
                yield f"phone {number} stops ringing{again}"


def _of_caller(outcome: Outcome) -> Iterator[str]:
    if outcome.ringing:
        yield "the caller hears ringing"
    if outcome.answered_at:
        yield "they talk"
    if outcome.hung_up_by:
        yield "the caller hangs up" if outcome.hung_up_by == "caller" else "the other side hangs up"
    if outcome.status is not None and outcome.status >= 300:
        yield f"the call ends without a conversation (SIP {outcome.status})"
