"""CPU time that a page of leads takes among many leads, beside the same page among a thousand: p95, as a ratio.

    python -m bench.lists [COUNT]

Every filter with every order in both directions, the first page and one far behind it, and searches: a surname that
many have, a rare one, three inner digits, three that numbers begin with, a whole number, and what nobody has. SQLite;
both sides take turns within one run, and CPU time does not count what else runs on the machine.
"""

import asyncio
import gc
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from bench.seed import BEGIN, number_of, seed
from leads.roster.roster import SMALLEST, LeadRoster
from leads.store.engine import Database
from leads.store.leads import LeadFilter, LeadOrder, LeadPage, LeadState, list_leads
from leads.store.listing import Request
from leads.store.narrowing import Stretch

COUNT = 1_000_000
SMALL = 1000
ROUNDS = 20
MOST = 1.5
"""What a page may cost among many leads, as a multiple of the same among few."""
PAGE = 50
SEARCHES = ("щербань", "ґалаґан зоя", "777", "050", "0012", number_of(500), "нікого такого")


def filters() -> Iterator[tuple[str, LeadFilter]]:
    """What lists are narrowed to, by a name for the table."""
    for state in LeadState:
        yield f"state {state}", LeadFilter(state=state)
    for state, status in product((LeadState.OPEN, LeadState.ALL), (1, 4)):
        yield f"state {state}, status {status}", LeadFilter(state=state, status_id=status)
    for search in SEARCHES:
        yield f"search {search}", LeadFilter(search=search, state=LeadState.ALL)
    for name in ("щербань", "ґалаґан зоя"):
        yield f"name {name}", LeadFilter(name=name)
    for number in ("777", "0012"):
        yield f"number {number}", LeadFilter(number=number)
    for days in (1, 30, 365):
        stretch = Stretch(BEGIN + timedelta(days=365), BEGIN + timedelta(days=365 + days))
        yield f"created within {days} days", LeadFilter(created=stretch)
        yield f"last call within {days} days", LeadFilter(last_call=stretch)


class Side:
    """One database and the times that its pages took."""

    def __init__(self, url: str, count: int) -> None:
        self.database, self._count = Database(url), count
        self._roster = LeadRoster(self.database)
        self._far: dict[object, str | None] = {}

    async def begin(self) -> None:
        """Do what a server does after its start."""
        if self._count >= SMALLEST:
            await self._roster.read_all()

    async def page(self, wanted: LeadFilter, order: LeadOrder, *, far: bool, descending: bool) -> float:
        """The seconds of CPU that one page takes, the driver's thread among them; a far one is the tenth."""
        after = await self._tenth(wanted, order, descending) if far else None
        begin = time.process_time()
        async with self.database.read() as session:
            await self._list(session, wanted, order, Request(PAGE, descending, after=after))
        return time.process_time() - begin

    async def _list(self, session: AsyncSession, wanted: LeadFilter, order: LeadOrder, request: Request) -> LeadPage:
        return await list_leads(session, wanted, order, request, None, find=self._roster.find)

    async def _tenth(self, wanted: LeadFilter, order: LeadOrder, descending: bool) -> str | None:
        key = (wanted, order, descending)
        if key not in self._far:
            after: str | None = None
            for _ in range(9):
                async with self.database.read() as session:
                    page = await self._list(session, wanted, order, Request(PAGE, descending, after=after))
                if page.after is None:
                    break
                after = page.after
            self._far[key] = after
        return self._far[key]


def p95(times: list[float]) -> float:
    """The time that nineteen of twenty stay below."""
    return sorted(times)[math.ceil(len(times) * 0.95) - 1]


async def measure(small: Side, big: Side) -> None:
    """Print the ratio of each kind of page, and of all."""
    every: tuple[list[float], list[float]] = ([], [])
    kinds = above = 0
    gc.collect()
    gc.freeze()  # What filling left behind is no page's work.
    for name, wanted in filters():
        worst = (0.0, "")
        for order, far, descending in product(LeadOrder, (False, True), (False, True)):
            times: tuple[list[float], list[float]] = ([], [])
            for attempt in range(ROUNDS + 1):
                for side, kept in zip((small, big), times, strict=True):
                    took = await side.page(wanted, order, far=far, descending=descending)
                    if attempt:  # The first warms up.
                        kept.append(took)
            for all_of_side, kept in zip(every, times, strict=True):
                all_of_side.extend(kept)
            ratio = p95(times[1]) / p95(times[0])
            kinds, above = kinds + 1, above + (ratio > MOST)
            worst = max(worst, (ratio, f"{order}{', falling' if descending else ''}{', page 10' if far else ''}"))
        print(f"lists: {name}: at most {worst[0]:.2f} ({worst[1]})", flush=True)
    print(f"lists: {above} of {kinds} kinds of pages above {MOST}")
    print(
        f"p95 of a list's page, many leads : {SMALL}   {p95(every[1]) / p95(every[0]):.2f}   "
        f"{p95(every[1]) * 1e3:.1f} ms : {p95(every[0]) * 1e3:.1f} ms"
    )


async def _run(folder: Path, count: int) -> None:
    urls = [f"sqlite+aiosqlite:///{folder}/{size}.db" for size in (SMALL, count)]
    for url, size in zip(urls, (SMALL, count), strict=True):
        await seed(url, size)
    sides = [Side(url, size) for url, size in zip(urls, (SMALL, count), strict=True)]
    try:
        for side in sides:
            await side.begin()
        await measure(*sides)
    finally:
        for side in sides:
            await side.database.dispose()


def main(count: int = COUNT) -> None:
    """Seed both databases and measure."""
    with tempfile.TemporaryDirectory(prefix="leadline-lists-") as name:
        asyncio.run(_run(Path(name), count))


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else COUNT)
