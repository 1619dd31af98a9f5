"""Importing CSV files: sending one, saying what its columns hold, watching it, undoing it (L10).

A file and its preview are its sender's alone; what was imported is on record for all who may import.
"""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import BodyPartReader, MultipartReader, web
from sqlalchemy.ext.asyncio import AsyncSession

from leads.admin.context import Panel, admin_only, panel_of, viewer_of, with_file
from leads.admin.csv_columns import (
    COLUMNS,
    HEADERS,
    Column,
    Kind,
    language_spellings,
    people_spellings,
    status_spellings,
)
from leads.admin.csv_files import CsvError, CsvFile, CsvRows, receive
from leads.admin.csv_rows import Mapped, Words, guess_columns
from leads.admin.exports import csv_response
from leads.admin.forms import ID, Form, Query
from leads.admin.guard import UNREADABLE_PARTS, form_of, upload_of
from leads.admin.i18n import _
from leads.admin.import_runner import Order, Upload
from leads.admin.refusals import strange_form
from leads.admin.rendering import redirect, render
from leads.domain.csv_cells import original
from leads.domain.intake import numbers_without_leads
from leads.domain.planning import HandDate
from leads.domain.statuses import StatusSet
from leads.store import imports
from leads.store.imports import Batch
from leads.store.leads import employees
from leads.store.planning_settings import planned_load
from leads.store.plans import Planning
from leads.store.sources import source_names
from leads.store.statuses import status_names

CHUNK_BYTES = 64 * 1024
CHUNK_SECONDS = 30.0
"""A browser that sends nothing for so long has gone away."""
SAMPLES = 3
_NOT_IMPORTED = ""
_REFUSED_AT_ONCE = 500

routes = web.RouteTableDef()


@routes.get("/imports")
@admin_only
async def import_list(request: web.Request) -> web.Response:
    """A form for a file, and what was imported before."""
    kind = Query(request).choice("kind", set(Kind), Kind.LEADS)
    return await _start_page(request, Form.filled(kind=kind))


@routes.post("/imports")
@admin_only
@with_file
async def upload(request: web.Request) -> web.Response:
    """Take a file, and go on to its preview."""
    panel, viewer = panel_of(request), viewer_of(request)
    parts = upload_of(request)
    form = Form.filled(kind=Kind.LEADS)
    if parts is None:
        form.fail("file", _("Choose a file."))
        return await _start_page(request, form, 422)
    try:
        kind, file = await _receive(parts)
    except CsvError as error:
        form.fail("file", str(error))
        return await _start_page(request, form, 422)
    except UNREADABLE_PARTS:
        raise strange_form() from None
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=_("The form took too long to arrive.")) from None
    panel.imports.keep(viewer.id, Upload(kind, file, panel.clock()))
    return redirect(request, "/imports/preview")


async def _receive(parts: MultipartReader) -> tuple[Kind, CsvFile]:
    """The form's fields in their order: what the file holds, then the file.

    Raises:
        CsvError: there is no file, or it is none of ours.
    """
    kind: Kind | None = None
    while (part := await parts.next()) is not None:
        if isinstance(part, BodyPartReader) and part.name == "kind":
            kind = Kind((await part.read_chunk()).decode("ascii", "replace"))
        elif isinstance(part, BodyPartReader) and part.name == "file" and kind is not None and part.filename:
            return kind, await receive(part.filename, _chunks(part))
    raise CsvError(_("Choose a file."))


@routes.get("/imports/preview")
@admin_only
async def preview(request: web.Request) -> web.Response:
    """The first rows of one's own file, and what its columns seem to hold."""
    found = panel_of(request).imports.upload_of(viewer_of(request).id)
    if found is None:
        return redirect(request, "/imports", flash=_("There is no file to look at. Send it again."))
    guessed = guess_columns(found.kind, found.file.header, panel_of(request).catalogs)
    form = Form.filled(known="skip", column=[column or _NOT_IMPORTED for column in guessed])
    return await _preview_page(request, found, form)


@routes.post("/imports/preview")
@admin_only
async def start(request: web.Request) -> web.Response:
    """Import the file as its columns are named now."""
    panel, viewer, form = panel_of(request), viewer_of(request), form_of(request)
    found = panel.imports.upload_of(viewer.id)
    if found is None:
        return redirect(request, "/imports", flash=_("There is no file to look at. Send it again."))
    if form.value("do") == "cancel":
        panel.imports.drop(viewer.id)
        return redirect(request, f"/imports?kind={found.kind}")
    mapped = _read_columns(form, found)
    known = form.value("known")
    if known not in ("skip", "update"):
        raise strange_form()
    if form.errors:
        return await _preview_page(request, found, form, 422)
    async with panel.database.read() as session:
        words = await _words(session, panel, found.kind)
    order = Order(found.kind, found.file, mapped, words, known == "update", viewer.id, await _planning(panel))
    batch_id = await panel.imports.start(order)
    # A second click finds the import that the first one began in the list.
    return redirect(request, "/imports" if batch_id is None else f"/imports/{batch_id}")


@routes.get(f"/imports/{ID}")
@admin_only
async def import_page(request: web.Request) -> web.Response:
    """How far an import has come; the page looks again by itself while it runs."""
    panel = panel_of(request)
    async with panel.database.read() as session:
        batch = await _load(session, request, panel)
        refused = await imports.refusals(session, batch.id)
    return render(request, "imports/batch.html", batch=batch, refused=refused, most=imports.MOST_SHOWN)


@routes.get(f"/imports/{ID}/refused.csv")
@admin_only
async def refused_rows(request: web.Request) -> web.StreamResponse:
    """All refused rows with their lines and reasons."""
    panel = panel_of(request)
    async with panel.database.read() as session:
        batch = await _load(session, request, panel)

    async def rows() -> AsyncIterator[list[list[str]]]:
        yield [[_("Line"), _("Name"), _("Why it was refused")]]
        last = 0
        while True:
            async with panel.database.read() as session:
                found = await imports.refusals(session, batch.id, after=last, most=_REFUSED_AT_ONCE)
            if not found:
                return
            last = found[-1].id
            yield [[str(row.line), row.name, row.reason] for row in found]

    return await csv_response(request, f"refused-{batch.id}", rows())


@routes.post(f"/imports/{ID}/undo")
@admin_only
async def undo(request: web.Request) -> web.Response:
    """Remove what an import made and restore what it changed, where nobody worked on it since."""
    panel, viewer = panel_of(request), viewer_of(request)
    form_of(request)
    async with panel.database.read() as session:
        batch = await _load(session, request, panel)
    if not await panel.imports.undo(batch.id, viewer.id, panel.region, await _planning(panel)):
        raise web.HTTPConflict(text=_("There is nothing to undo here, or somebody is at it already."))
    return redirect(request, f"/imports/{batch.id}")


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while True:
        async with asyncio.timeout(CHUNK_SECONDS):
            chunk = await part.read_chunk(CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


async def _load(session: AsyncSession, request: web.Request, panel: Panel) -> Batch:
    batch = await imports.find_batch(session, int(request.match_info["id"]), panel.clock())
    if batch is None:
        raise web.HTTPNotFound(text=_("There is no such import; they are kept for 30 days."))
    return batch


async def _words(session: AsyncSession, panel: Panel, kind: Kind) -> Words:
    directory = panel.directory.current
    everybody, present = await employees(session), await employees(session, active=True)
    return Words(
        statuses=status_spellings(await status_names(session, StatusSet(kind.value)), panel.catalogs),
        sources={name.casefold(): identity for identity, name in await source_names(session)},
        # Who works here goes by his name alone, also where somebody who has left had the same.
        people=people_spellings(everybody) | people_spellings(present),
        gone=frozenset(dict(everybody)) - frozenset(dict(present)),
        languages=language_spellings(panel.catalogs),
        never_leads=numbers_without_leads(directory),
        region=panel.region,
        zone=panel.zone,
    )


async def _planning(panel: Panel) -> Planning:
    """Nobody can be asked for each row: a day that somebody set by hand stays; other calls keep to the daily cap."""
    async with panel.database.read() as session:
        load = await planned_load(session, panel.zone, panel.clock().astimezone(panel.zone).date())
    return Planning(panel.zone, HandDate.KEEP, load)


def _read_columns(form: Form, found: Upload) -> Mapped:
    """What each column holds, as chosen; what is wrong with it is in the form's errors."""
    chosen = form.values("column")
    allowed = COLUMNS[found.kind]
    if len(chosen) != len(found.file.header) or not set(chosen) <= {*allowed, _NOT_IMPORTED}:
        raise strange_form()
    mapped = tuple(Column(value) if value else None for value in chosen)
    for column in allowed:
        if column is not Column.NUMBER and mapped.count(column) > 1:
            form.fail("column", _("Two columns cannot both be “%(column)s”.", column=_(HEADERS[column])))
    needed = Column.NUMBER if found.kind is Kind.LEADS else Column.NAME
    if needed not in mapped:
        form.fail("column", _("Say which column is “%(column)s”.", column=_(HEADERS[needed])))
    return mapped


async def _start_page(request: web.Request, form: Form, status: int = 200) -> web.Response:
    panel = panel_of(request)
    async with panel.database.read() as session:
        done = await imports.batches(session, panel.clock())
    return render(request, "imports/start.html", status=status, form=form, batches=done)


async def _preview_page(request: web.Request, found: Upload, form: Form, status: int = 200) -> web.Response:
    try:
        samples = await asyncio.to_thread(_samples, found.file)
    except FileNotFoundError:  # Cancelled or replaced in another window at this moment.
        return redirect(request, "/imports", flash=_("There is no file to look at. Send it again."))
    columns = [
        (heading, [row[place] if place < len(row) else "" for row in samples], chosen)
        for place, (heading, chosen) in enumerate(zip(found.file.header, form.values("column"), strict=True))
    ]
    return render(
        request,
        "imports/preview.html",
        status=status,
        form=form,
        file=found.file,
        kind=found.kind,
        columns=columns,
        zone=panel_of(request).zone.key,
        choices=[(column, _(HEADERS[column])) for column in COLUMNS[found.kind]],
    )


def _samples(file: CsvFile) -> list[list[str]]:
    """The first rows, cut to what a page can show."""
    rows = CsvRows(file, beginning=True)
    shown: list[list[str]] = []
    try:
        for _line, row in rows:
            shown.append([original(cell).strip()[:60] for cell in row[: len(file.header)]])
            if len(shown) == SAMPLES:
                break
    finally:
        rows.close()
    return shown
