"""Imports files beside everything else that the server does: a few rows at a time, with a breath between (L10).

Calls and people write to the same database; after each of its short transactions an import lets everybody else go
first. Files are read on a thread, so that nobody waits for their parsing.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

import structlog

from leads.admin.csv_columns import Kind
from leads.admin.csv_files import CsvFile, CsvRows
from leads.admin.csv_rows import Mapped, Words, read_counterparties, read_leads
from leads.admin.i18n import _
from leads.admin.import_refusals import reason_of
from leads.domain.clock import Clock
from leads.store import imports
from leads.store.cards import CardError
from leads.store.counterparty_import import Became, CardsOfFile, CounterpartyRow, import_counterparty
from leads.store.engine import Database, breathe
from leads.store.import_tables import ImportKind, ImportState
from leads.store.import_undo import undo_items
from leads.store.imported_leads import LeadRow
from leads.store.imports import Counts, Refusal
from leads.store.lead_import import Known, add_leads, update_lead
from leads.store.plans import Planning

CHUNK = 100
"""Rows of one transaction: some hundredths of a second."""
UPLOAD_KEPT = timedelta(hours=1)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that somebody sent and has not imported yet; only he sees it."""

    kind: Kind
    file: CsvFile
    at: datetime


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be imported, how, and by whom."""

    kind: Kind
    file: CsvFile
    mapped: Mapped
    words: Words
    update_known: bool
    by: int
    planning: Planning


@dataclass(slots=True)
class _Tally:
    """What became of one chunk of rows."""

    counts: Counts = field(default_factory=Counts)
    refusals: list[Refusal] = field(default_factory=list)


class Imports:
    """The uploads that wait for their owners, and the imports that run."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Nothing runs yet."""
        self._database, self._clock = database, clock
        self._uploads: dict[int, Upload] = {}
        self._running: set[asyncio.Task[None]] = set()

    def keep(self, employee_id: int, upload: Upload) -> None:
        """Keep a person's upload in the place of his last one; forget what others left lying."""
        self.drop(employee_id)
        old = [one for one, kept in self._uploads.items() if upload.at - kept.at > UPLOAD_KEPT]
        for one in old:
            self.drop(one)
        self._uploads[employee_id] = upload

    def upload_of(self, employee_id: int) -> Upload | None:
        """A person's own upload."""
        upload = self._uploads.get(employee_id)
        if upload is not None and self._clock() - upload.at > UPLOAD_KEPT:
            self.drop(employee_id)
            return None
        return upload

    def drop(self, employee_id: int) -> None:
        """Forget a person's upload."""
        upload = self._uploads.pop(employee_id, None)
        if upload is not None:
            upload.file.remove()

    async def start(self, order: Order) -> int | None:
        """Begin to import a person's upload, which is no longer one then; the import's id, None if it was none."""
        upload = self._uploads.get(order.by)
        if upload is None or upload.file is not order.file:
            return None
        # Before anything is waited for: of two clicks only one begins an import.
        del self._uploads[order.by]
        try:
            batch_id = await self._begin(order)
        except BaseException:
            if order.by in self._uploads:
                order.file.remove()
            else:
                self._uploads[order.by] = upload
            raise
        self._run(_Run(self._database, self._clock, order, batch_id).run())
        return batch_id

    async def undo(self, batch_id: int, by: int, region: str, planning: Planning) -> bool:
        """Begin to undo an import; False when there is nothing to undo."""
        async with self._database.write() as session:
            if not await imports.claim_for_undo(session, batch_id, self._clock()):
                return False
        self._run(self._undo(batch_id, by, region, planning))
        return True

    async def wait(self) -> None:
        """Wait until nothing runs any more."""
        while self._running:
            await asyncio.gather(*self._running)

    async def close(self) -> None:
        """Stop what runs, which can be undone after the next start, and remove all files."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        for employee_id in list(self._uploads):
            self.drop(employee_id)

    async def _begin(self, order: Order) -> int:
        async with self._database.write() as session:
            return await imports.begin(
                session,
                ImportKind(order.kind.value),
                order.file.name,
                order.file.size,
                update_known=order.update_known,
                by=order.by,
                now=self._clock(),
            )

    def _run(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _undo(self, batch_id: int, by: int, region: str, planning: Planning) -> None:
        state, below = ImportState.UNDONE, 2**31 - 1
        try:
            while True:
                async with self._database.read() as session:
                    items = await imports.next_items(session, batch_id, below, CHUNK)
                if not items:
                    break
                below = items[-1].id
                began = time.monotonic()
                counts = await undo_items(
                    self._database, items, by=by, clock=self._clock, region=region, planning=planning
                )
                await self._advance(batch_id, counts)
                await breathe(began)
        except Exception:
            _log.exception("undoing an import failed", batch=batch_id)
            state = ImportState.STOPPED
        await self._advance(batch_id, Counts(), state)

    async def _advance(self, batch_id: int, counts: Counts, state: ImportState | None = None) -> None:
        now = self._clock()
        await self._database.run_write(lambda c: imports.advance(c, batch_id, counts, (), now, state=state))


class _Run:
    """One import from its first row to its last."""

    def __init__(self, database: Database, clock: Clock, order: Order, batch_id: int) -> None:
        self._database, self._clock, self._order, self._batch = database, clock, order, batch_id
        self._cards = CardsOfFile()

    async def run(self) -> None:
        order, position = self._order, 0
        rows: CsvRows | None = None
        try:
            rows = await asyncio.to_thread(CsvRows, order.file)
            state = await self._import(rows)
        except Exception:
            _log.exception("an import failed", batch=self._batch)
            state = ImportState.STOPPED
            why = _("The mistake is on our side and has been logged. Your administrator can find it in the log.")
            line, position = (rows.line, rows.position) if rows is not None else (1, 0)
            await self._advance(_Tally(refusals=[Refusal(line, "", why)]), position)
        finally:
            if rows is not None:
                position = rows.position
                rows.close()
            order.file.remove()
        await self._advance(_Tally(), order.file.size if state is ImportState.DONE else position, state)

    async def _import(self, rows: CsvRows) -> ImportState:
        """Import the rows up to the end of the file, or to where it is broken; how it ended."""
        order = self._order
        read = read_leads if order.kind is Kind.LEADS else read_counterparties
        cards: Iterator[LeadRow | CounterpartyRow | Refusal] = read(rows, order.mapped, order.words)
        while chunk := await asyncio.to_thread(lambda: list(islice(cards, CHUNK))):
            began = time.monotonic()
            tally = _Tally()
            await self._write(chunk, tally)
            await self._advance(tally, rows.position)
            await breathe(began)
        if rows.broken is None:
            return ImportState.DONE
        await self._advance(_Tally(refusals=[Refusal(rows.line, "", rows.broken)]), rows.position)
        return ImportState.STOPPED

    async def _write(self, chunk: Sequence[LeadRow | CounterpartyRow | Refusal], tally: _Tally) -> None:
        tally.refusals += [one for one in chunk if isinstance(one, Refusal)]
        leads = [one for one in chunk if isinstance(one, LeadRow)]
        if leads:
            await self._write_leads(leads, tally)
        for row in chunk:
            if isinstance(row, CounterpartyRow):
                await self._write_counterparty(row, tally)

    async def _write_leads(self, rows: list[LeadRow], tally: _Tally) -> None:
        batch, by, now = self._batch, self._order.by, self._clock()
        added = await self._database.run_write(lambda c: add_leads(c, batch, rows, by=by, now=now))
        tally.counts.made += added.made
        tally.counts.skipped += added.present
        for other in added.others:
            if not isinstance(other, Known):
                tally.refusals.append(Refusal(other.row.line, other.row.name or other.row.numbers[0], reason_of(other)))
            elif not self._order.update_known:
                tally.counts.skipped += 1
            else:
                await self._update(other, tally)

    async def _update(self, known: Known, tally: _Tally) -> None:
        order = self._order
        try:
            changed = await update_lead(
                self._database,
                self._batch,
                known,
                by=order.by,
                clock=self._clock,
                region=order.words.region,
                planning=order.planning,
            )
        except CardError as error:
            tally.refusals.append(Refusal(known.row.line, known.row.name or known.row.numbers[0], reason_of(error)))
        else:
            tally.counts.updated += changed
            tally.counts.skipped += not changed

    async def _write_counterparty(self, row: CounterpartyRow, tally: _Tally) -> None:
        began = time.monotonic()
        try:
            became = await import_counterparty(
                self._database,
                self._batch,
                row,
                self._cards,
                update_known=self._order.update_known,
                by=self._order.by,
                clock=self._clock,
                region=self._order.words.region,
                planning=self._order.planning,
            )
        except CardError as error:
            tally.refusals.append(Refusal(row.line, row.name, reason_of(error)))
        else:
            name = {Became.MADE: "made", Became.UPDATED: "updated", Became.SKIPPED: "skipped"}[became]
            setattr(tally.counts, name, getattr(tally.counts, name) + 1)
        await asyncio.sleep(time.monotonic() - began)

    async def _advance(self, tally: _Tally, read: int, state: ImportState | None = None) -> None:
        batch, now = self._batch, self._clock()
        refusals = sorted(tally.refusals, key=lambda one: one.line)
        await self._database.run_write(
            lambda c: imports.advance(c, batch, tally.counts, refusals, now, read=read, state=state)
        )
