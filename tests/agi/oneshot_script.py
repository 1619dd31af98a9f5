"""The one-shot script as a process of its own: `python -m tests.agi.oneshot_script KIND`, asked as Asterisk asks it."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from agi.oneshot import run_oneshot
from agi.service import RoutingService
from leads.store.lookup import LookupUnavailable
from routing.decision import Decision

from .company import FakeDirectories, FakeLookup


@asynccontextmanager
async def open_service() -> AsyncIterator[RoutingService]:
    """Open as KIND says: well, without a database's answer, with a bug, or never."""
    kind = sys.argv[1]
    lookup = FakeLookup()
    if kind == "unavailable":
        lookup.trouble = LookupUnavailable("locked")
    elif kind == "broken":
        raise RuntimeError("no such table")
    elif kind == "hanging":
        await asyncio.Event().wait()
    elif kind == "stuck":
        time.sleep(60)  # noqa: ASYNC251 - a disk that hangs blocks the loop as well
    yield RoutingService(lookup, FakeDirectories(), region="UA", default_extension="102", name_language="uk")


async def record(linkedid: str, decision: Decision, decided_at: datetime) -> None:
    """Tell on stderr what would be recorded."""
    print("recorded", linkedid, decision.caller, decided_at.tzinfo, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(run_oneshot(open_service, record, sys.stdin.buffer, sys.stdout.buffer))
