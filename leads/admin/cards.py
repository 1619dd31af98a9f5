"""What the pages of leads and of counterparties share: choices, history in words, calls, and the reading of fields."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from leads.admin.call_lines import CallLine, call_lines, card_of, visible
from leads.admin.context import Panel, Viewer
from leads.admin.forms import Form
from leads.admin.i18n import N_, _, day_text, long_time, ngettext
from leads.admin.reasons import tell_kept
from leads.admin.recordings import CallRecordings, shown_recordings
from leads.admin.rendering import number_text, status_word
from leads.domain.numbers import NumberKind, read_number
from leads.domain.statuses import StatusSet
from leads.store import board
from leads.store.cards import MOST_NUMBERS, HistoryRow
from leads.store.leads import employees
from leads.store.list_shapes import Total
from leads.store.statuses import status_names

LIST_SIZE = 50
LONGEST_CURSOR = 1000
FIELDS = {
    "name": N_("Name"),
    "folder": N_("Folder"),
    "numbers": N_("Numbers"),
    "email": N_("E-mail"),
    "address": N_("Address"),
    "comment": N_("Comment"),
    "language": N_("Language of the name"),
    "status": N_("Status"),
    "responsible": N_("Responsible"),
    "source": N_("Source"),
    "contact_person": N_("Contact person"),
    "counterparty": N_("Counterparty"),
    "planned_call": N_("Planned call"),
    "pinned": N_("Calls of the number are theirs"),
    "created": N_("Created"),
    "closed": N_("Closed"),
    "merged": N_("Merged with the lead"),
    "lead": N_("Lead that became this"),
}
NAME_LANGUAGES = {"uk": N_("Ukrainian"), "ru": N_("Russian"), "other": N_("Another language")}
_EMAIL = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+")
_E164 = re.compile(r"\+[0-9]{3,15}")


@dataclass(frozen=True, slots=True)
class CardCall:
    """One call on a card; `open` says whether the viewer may open the call's own page, and hear its recordings."""

    line: CallLine
    reasons: list[str]
    open: bool
    recordings: CallRecordings | None


async def card_calls(
    session: AsyncSession, panel: Panel, viewer: Viewer, calls: Sequence[board.BoardCall]
) -> list[CardCall]:
    """The calls of a card, each with why it went where it went."""
    directory = panel.directory.current
    may_open = visible(viewer, directory)
    reasons = await board.reasons_of(session, calls)
    recorded = await shown_recordings(session, panel, viewer, [call for call in calls if may_open(call)])
    return [
        CardCall(line, [*map(tell_kept, reasons.get(call.id, []))], may_open(call), recorded.get(call.id))
        for call, line in zip(calls, call_lines(calls, directory, card_of), strict=True)
    ]


async def people_choices(session: AsyncSession, *present: int | None) -> list[tuple[int, str]]:
    """Those who can be made responsible: who works here, and `present` whoever they are."""
    active = {identity for identity, _name in await employees(session, active=True)}
    return [(identity, name) for identity, name in await employees(session) if identity in active.union(present)]


def searched(typed: str, region: str) -> str:
    """What a list is searched for: a whole number in the country's own writing is looked for as it is stored.

    Only where the stored number does not hold the digits as they were typed; all else is a piece of something.
    """
    digits = "".join(letter for letter in typed if letter.isdigit())
    if not digits or any(letter.isalpha() for letter in typed):
        return typed
    number = read_number(typed, region)
    return number.text if number.kind is NumberKind.OUTSIDE and digits not in number.text else typed


async def status_choices(session: AsyncSession, which: StatusSet = StatusSet.LEADS) -> list[tuple[int, str]]:
    """The statuses of one set in their order, in the viewer's language."""
    return [(identity, status_word(name)) for identity, name in await status_names(session, which)]


def language_choices() -> list[tuple[str, str]]:
    """The languages that a name's letters can be read in."""
    return [(code, _(word)) for code, word in NAME_LANGUAGES.items()]


def read_language(form: Form, name: str, typed: str | None = None) -> str | None:
    """The chosen language of a name; None leaves it to the installation."""
    value = form.value(name) if typed is None else typed
    if value and value not in NAME_LANGUAGES:
        form.fail(name, _("Choose one of the list."))
    return value or None


def is_email(text: str) -> bool:
    """Whether a text looks like an e-mail address."""
    return _EMAIL.fullmatch(text) is not None


def read_email(form: Form, name: str, typed: str | None = None) -> str:
    """An e-mail address or nothing."""
    value = form.checked_text(name, form.value(name) if typed is None else typed)
    if value and not is_email(value):
        form.fail(name, _("An e-mail address looks like name@example.com."))
    return value


def read_numbers(form: Form, name: str, typed: Iterable[str], region: str) -> tuple[str, ...]:
    """Numbers in any writing, empty ones left out; a message goes to the row of each that is none."""
    rows = list(typed)
    for row, value in enumerate(rows):
        if value.strip():
            form.outside_number(f"{name}.{row}", region, typed=value)
    numbers = tuple(value for value in rows if value.strip())
    if len(numbers) > MOST_NUMBERS:
        form.fail(f"{name}.0", ngettext("At most %(count)s number.", "At most %(count)s numbers.", MOST_NUMBERS))
    return numbers


def spoken_history(rows: Sequence[HistoryRow]) -> list[dict[str, Any]]:
    """The history with fields in words and numbers grouped."""
    return [
        {
            "at": row.at,
            "by": row.by,
            "field": _(FIELDS.get(row.field, row.field)),
            "before": spoken_value(row.field, row.before),
            "after": spoken_value(row.field, row.after),
            "lead": row.lead and spoken_value("lead", row.lead),
        }
        for row in rows
    ]


def spoken_value(field: str, value: str) -> str:
    """One value of a card's history in words: a day, a status or a language is kept as the database has it."""
    if field == "language":
        return _language_word(value)
    if field == "contact_person":
        # His name comes first; none of his numbers, addresses and responsibles is a language's code.
        name, *rest = value.split("; ")
        value = "; ".join([name, *map(_language_word, rest)])
    if field == "status":
        return status_word(value)
    if field == "planned_call":
        return day_text(date.fromisoformat(value)) if value else ""
    if field == "closed" and value:
        return long_time(datetime.fromisoformat(value))
    return _E164.sub(lambda number: number_text(number[0]), value)


def _language_word(value: str) -> str:
    return _(NAME_LANGUAGES[value]) if value in NAME_LANGUAGES else value


def numbers_text(numbers: Iterable[str]) -> str:
    """Numbers in one line, each as its country groups it."""
    return ", ".join(number_text(number) for number in numbers)


Beside = tuple[str, object, object, str]
"""A field, what is typed in it, what is saved meanwhile, and that in words."""


def put_beside(form: Form, *fields: Beside) -> None:
    """Show beside each field what somebody else saved in it, where that is something else."""
    form.theirs.update((field, text) for field, typed, saved, text in fields if typed != saved)


def total_text(total: Total) -> str:
    """How many rows a list has, as far as it was counted."""
    if total.exact:
        return ngettext("%(count)s found", "%(count)s found", total.number)
    return ngettext("More than %(count)s found", "More than %(count)s found", total.number)
