"""What all reports share: reading beside the server's work, with errors that say what to do; their files."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from aiohttp import web
from sqlalchemy import Connection

from leads.admin.context import panel_of
from leads.admin.exports import BYTE_ORDER_MARK, csv_text, separator
from leads.admin.i18n import _
from leads.store.long_reads import TooLongError, TooManyError

T = TypeVar("T")
NONE = "none"
"""In addresses, the key of the group of what belongs to nobody, or to none."""


async def read_report(request: web.Request, work: Callable[[Connection], T]) -> T:
    """Run a long reading, off the event loop.

    Raises:
        HTTPServiceUnavailable: it takes too long, or too many are read at once.
    """
    try:
        return await panel_of(request).long_reads.run(work)
    except TooLongError:
        raise web.HTTPServiceUnavailable(
            text=_("This report takes too long. Choose a shorter period or fewer groups.")
        ) from None
    except TooManyError:
        raise web.HTTPServiceUnavailable(text=_("Others read reports at this moment. Try again in a minute.")) from None


def report_file(name: str, rows: Iterable[Sequence[str]]) -> web.Response:
    """Rows as a CSV file, as lists are saved."""
    return csv_file(name, csv_text(rows, separator()))


def csv_file(name: str, text: str) -> web.Response:
    """A text that is CSV already, as a file."""
    return web.Response(
        body=f"{BYTE_ORDER_MARK}{text}".encode(),
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{name}.csv"',
        },
    )
