"""What all reports share: reading beside the server's work, with errors that say what to do; their files."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, BinaryIO, TypeVar

from aiohttp import web
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncSession

from leads.admin.context import panel_of
from leads.admin.downloads import send
from leads.admin.exports import BYTE_ORDER_MARK, Row, csv_text, separator
from leads.admin.forms import Query
from leads.admin.i18n import _
from leads.admin.periods import AskedPeriod
from leads.admin.report_groups import D, F, Report, choices
from leads.store.figures import TooManyGroupsError
from leads.store.leads import employees
from leads.store.long_reads import TooLongError, TooManyError

T = TypeVar("T")
_PIECE = 256 * 1024


async def read_report(request: web.Request, work: Callable[[Connection], T]) -> T:
    """Run a long reading, off the event loop.

    Raises:
        HTTPServiceUnavailable: it takes too long, finds too much, or too many are read at once.
    """
    try:
        return await panel_of(request).long_reads.run(work)
    except TooManyGroupsError:
        raise web.HTTPServiceUnavailable(
            text=_("This report has too many rows. Choose a shorter period, or group it by something else.")
        ) from None
    except TooLongError:
        raise web.HTTPServiceUnavailable(
            text=_("This report takes too long. Choose a shorter period or fewer groups.")
        ) from None
    except TooManyError:
        raise web.HTTPServiceUnavailable(text=_("Others read reports at this moment. Try again in a minute.")) from None


def page_parts(request: web.Request, query: Query, asked: AskedPeriod, grouped: Mapping[str, str]) -> dict[str, Any]:
    """What each report's page shows: the period, or why it is none; the way to its file and to what is behind it."""
    return {
        "status": 422 if asked.error else 200,
        "query": query,
        "asked": asked,
        "period_part": asked.part(grouped),
        "file": f"{request.path}.csv?{request.rel_url.raw_query_string}",
    }


def group_parts(by: Sequence[D], dimensions: Mapping[D, str], report: Report[F]) -> dict[str, Any]:
    """What the page of a report shows that can be grouped by its `dimensions` in any order."""
    return {
        "by": choices(by, dimensions),
        "dimensions": [(each.value, _(word)) for each, word in dimensions.items()],
        "lines": report.lines,
        "cut": report.cut,
        "total": report.total,
    }


async def names_of_people(session: AsyncSession) -> dict[Any, str]:
    """What the groups of employees are called, that of nobody among them."""
    return {**dict(await employees(session)), None: _("Nobody")}


async def report_file(
    request: web.Request, name: str, read: Callable[[Connection], Iterable[Sequence[Row]]]
) -> web.StreamResponse:
    """Rows as a CSV file, as lists are saved, however many there are.

    They wait on the disk until all are read: a reading has a deadline, and a browser may take its time.

    Args:
        request: whose answer it is.
        name: of the file.
        read: gives the rows, some at a time, off the event loop.
    """
    between = separator()
    with tempfile.TemporaryFile() as file:

        def write(connection: Connection) -> None:
            file.write(BYTE_ORDER_MARK.encode())
            for rows in read(connection):
                file.write(csv_text(rows, between).encode())
            file.seek(0)

        await read_report(request, write)
        return await _sent(request, name, file)


async def _sent(request: web.Request, name: str, file: BinaryIO) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{name}.csv"',
        }
    )

    async def pieces() -> AsyncIterator[bytes]:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece

    await send(request, response, pieces())
    return response
