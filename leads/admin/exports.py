"""Saves a list of leads or counterparties as a CSV file, as it is narrowed and ordered at this moment (L10).

The file is written while the browser reads it, so that it costs the server no more memory when it is long.
"""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime

from aiohttp import web

from leads.admin.context import Panel, export_only, panel_of, viewer_of
from leads.admin.counterparties import asked_counterparties
from leads.admin.csv_columns import (
    HEADERS,
    OF_EVERY_CARD,
    OTHER_NUMBERS,
    Column,
    Kind,
    language_label,
    people_labels,
    status_labels,
)
from leads.admin.downloads import send
from leads.admin.i18n import _, current_locale
from leads.admin.leads import asked_leads
from leads.domain.csv_cells import protected
from leads.domain.statuses import StatusSet
from leads.store import audit
from leads.store.exports import (
    ExportedCounterparty,
    ExportedLead,
    ExportedPerson,
    exported_counterparties,
    exported_leads,
)
from leads.store.leads import LeadOrder, employees
from leads.store.sources import source_names
from leads.store.statuses import status_names

BYTE_ORDER_MARK = "\ufeff"
"""Without it spreadsheets take UTF-8 for the letters of their own country."""
Row = Sequence[str]
Labels = dict[int, str]

routes = web.RouteTableDef()


@routes.get("/leads/export.csv")
@export_only
async def export_leads(request: web.Request) -> web.StreamResponse:
    """The leads of the list with its present search, filters and order.

    Where nobody chose an order the oldest come first: so they are made in that order when the file is read back, and
    saved again they give the same file.
    """
    panel, viewer = panel_of(request), viewer_of(request)
    wanted, asked = asked_leads(request)
    chosen = (asked.sort, asked.place.descending)
    order, descending = chosen if asked.query.text("sort") else (LeadOrder.CREATED, False)
    async with panel.database.read() as session:
        people = people_labels(await employees(session))
        names = status_labels(await status_names(session, StatusSet.LEADS))
        sources = dict(await source_names(session))
    await _note(panel, "lead")
    chunks = exported_leads(
        panel.database, wanted, order, descending=descending, scope=viewer.scope, find=panel.roster.find
    )

    async def rows() -> AsyncIterator[list[Row]]:
        yield [lead_header()]
        async for leads in chunks:
            yield [lead_row(lead, names, sources, people) for lead in leads]

    return await csv_response(request, Kind.LEADS, rows())


@routes.get("/counterparties/export.csv")
@export_only
async def export_counterparties(request: web.Request) -> web.StreamResponse:
    """The counterparties of the list with its present search, filters and order, each with its contact persons."""
    panel, viewer = panel_of(request), viewer_of(request)
    wanted, asked = asked_counterparties(request)
    async with panel.database.read() as session:
        people = people_labels(await employees(session))
        names = status_labels(await status_names(session, StatusSet.COUNTERPARTIES))
        sources = dict(await source_names(session))
    await _note(panel, "counterparty")
    chunks = exported_counterparties(
        *(panel.database, wanted, asked.sort),
        descending=asked.place.descending,
        scope=viewer.scope,
        know=panel.roster.became,
    )

    async def rows() -> AsyncIterator[list[Row]]:
        yield [counterparty_header()]
        async for cards in chunks:
            yield [row for card in cards for row in counterparty_rows(card, names, sources, people)]

    return await csv_response(request, Kind.COUNTERPARTIES, rows())


async def _note(panel: Panel, kind: str) -> None:
    """Put it on record who took a list away; not what he searched for, which may be a person's name."""
    async with panel.database.write() as session:
        await audit.note(session, audit.What.EXPORTED, kind)


def lead_header() -> Row:
    """The headings of a file of leads, in the viewer's language."""
    head = [Column.NAME, Column.NUMBER]
    times = [Column.LAST_CALL, Column.CREATED, Column.CLOSED]
    return [*_headings(head), _(OTHER_NUMBERS), *_headings([*OF_EVERY_CARD, *times])]


def lead_row(lead: ExportedLead, statuses: Labels, sources: Labels, people: Labels) -> Row:
    """One lead."""
    return [
        lead.name,
        *_numbers(lead.numbers),
        lead.email,
        lead.address,
        lead.comment,
        language_label(lead.language),
        statuses.get(lead.status_id, ""),
        sources.get(lead.source_id or 0, ""),
        people.get(lead.responsible_id or 0, ""),
        _time(lead.last_call_at),
        _time(lead.created_at),
        _time(lead.closed_at),
    ]


def counterparty_header() -> Row:
    """The headings of a file of counterparties, in the viewer's language."""
    head = [Column.NAME, Column.CONTACT_PERSON, Column.FOLDER, Column.NUMBER]
    return [*_headings(head), _(OTHER_NUMBERS), *_headings([*OF_EVERY_CARD, Column.CREATED, Column.CARD])]


def counterparty_rows(card: ExportedCounterparty, statuses: Labels, sources: Labels, people: Labels) -> list[Row]:
    """A counterparty's own row, and one for each of its contact persons below it."""
    own = [
        card.name,
        "",
        card.folder,
        *_numbers(card.numbers),
        card.email,
        card.address,
        card.comment,
        language_label(card.language),
        statuses.get(card.status_id or 0, ""),
        sources.get(card.source_id or 0, ""),
        people.get(card.responsible_id or 0, ""),
        _time(card.created_at),
        card.mark,
    ]
    return [own, *(_person_row(card, person, people) for person in card.persons)]


def _person_row(card: ExportedCounterparty, person: ExportedPerson, people: Labels) -> Row:
    numbers, language = _numbers(person.numbers), language_label(person.language)
    responsible = people.get(person.responsible_id or 0, "")
    return [card.name, person.name, "", *numbers, person.email, "", "", language, "", "", responsible, "", card.mark]


def csv_text(rows: Iterable[Row], separator: str) -> str:
    """Rows as text of a CSV file."""
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows([protected(cell) for cell in row] for row in rows)
    return text.getvalue()


def separator() -> str:
    """What stands between cells: where the comma parts decimals, spreadsheets expect a semicolon."""
    return "," if current_locale().language == "en" else ";"


async def csv_response(request: web.Request, name: str, chunks: AsyncIterator[Sequence[Row]]) -> web.StreamResponse:
    """Answer with a CSV file of that name and today's date."""
    day = panel_of(request).clock().astimezone(viewer_of(request).zone)
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{name}-{day:%Y-%m-%d}.csv"',
        }
    )
    part = separator()

    async def written() -> AsyncIterator[bytes]:
        yield BYTE_ORDER_MARK.encode()
        async for rows in chunks:
            yield csv_text(rows, part).encode()
            await asyncio.sleep(0)

    await send(request, response, written())
    return response


def _headings(columns: Iterable[Column]) -> list[str]:
    return [_(HEADERS[column]) for column in columns]


def _numbers(numbers: Sequence[str]) -> tuple[str, str]:
    """The main number, and the others in one cell."""
    return (numbers[0] if numbers else "", ", ".join(numbers[1:]))


def _time(moment: datetime | None) -> str:
    """A moment in the viewer's zone; with its offset where whoever takes it for the company's would miss it.

    That is where the viewer lives elsewhere, and in the hour that comes twice when summer time ends.
    """
    if moment is None:
        return ""
    locale = current_locale()
    own = moment.astimezone(locale.zone)
    companys = own.replace(tzinfo=locale.company or locale.zone, fold=0)
    is_plain = companys.astimezone(UTC) == own.astimezone(UTC)
    return own.replace(tzinfo=None if is_plain else own.tzinfo).isoformat(" ", "minutes")
