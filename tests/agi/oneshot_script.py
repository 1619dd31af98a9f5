"""The one-shot script as a process: `python -m tests.agi.oneshot_script KIND [PORT]`, asked as Asterisk asks."""

import asyncio
import os
import signal
import sys
import time

from agi.oneshot import Answer, run_oneshot
from agi.protocol import Request
from agi.relay import Address
from agi.service import RoutingService
from dialplan.plan import encode_plan
from leads.store.lookup import LookupUnavailable

from .company import FakeDirectories, FakeLookup


def decide_alone(request: Request, answer: Answer) -> None:
    """Decide as KIND says: well, without a database's answer, with a bug, or never; tell on stderr what is recorded."""
    kind = sys.argv[1]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    lookup = FakeLookup()
    if kind == "unavailable":
        lookup.trouble = LookupUnavailable("locked")
    elif kind == "broken":
        raise RuntimeError("no such table")
    elif kind == "hanging":
        asyncio.run(asyncio.Event().wait())
    elif kind == "announced":
        print(os.getpid(), file=sys.stderr, flush=True)
        signal.sigwait({signal.SIGUSR1})
    elif kind == "stuck":
        time.sleep(60)
    service = RoutingService(lookup, FakeDirectories(), region="UA", default_extension="102", name_language="uk")
    decision = asyncio.run(service.route(request.caller, request.caller_name, request.did))
    if answer(encode_plan(decision)):
        if kind == "well-slowly":
            print(os.getpid(), file=sys.stderr, flush=True)
            signal.sigwait({signal.SIGUSR1})
        print("recorded", request.linkedid, decision.caller, file=sys.stderr)


if __name__ == "__main__":
    server = Address("127.0.0.1", int(sys.argv[2])) if sys.argv[2:] else None
    sys.exit(run_oneshot(server, lambda: decide_alone, sys.stdin.buffer, sys.stdout.buffer))
