"""Reads the rows of a CSV file as leads or counterparties, or says of a row what is wrong with it.

Everything that a file says is checked here, once; what leaves here can be kept.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from gettext import NullTranslations
from typing import TypeVar

from leads.admin.cards import is_email
from leads.admin.csv_columns import COLUMNS, HEADERS, Column, Kind, folded, header_names
from leads.admin.csv_files import CsvRows, Row
from leads.admin.forms import checked
from leads.admin.i18n import _, ngettext
from leads.domain.csv_cells import original
from leads.domain.numbers import NumberKind, read_number
from leads.store.cards import MOST_NUMBERS
from leads.store.counterparty_card import MOST_PERSONS
from leads.store.counterparty_import import CounterpartyRow, PersonRow
from leads.store.imported_leads import LeadRow
from leads.store.imports import Refusal

Mapped = tuple[Column | None, ...]
Key = TypeVar("Key", int, str)
_LONGEST = {Column.ADDRESS: 500, Column.COMMENT: 10_000}
_USUAL_LONGEST = 200
_CUT = 60
_WHOLE = re.compile(r"\A(\+?[0-9]{7,15})\.0\Z")
"""A number that a program took for a fraction, as programs for tables do where some cells of a column are empty."""
_TIME = re.compile(
    r"(?:(?P<year>\d{4})-(?P<month>\d\d?)-(?P<day>\d\d?)|(?P<day2>\d\d?)\.(?P<month2>\d\d?)\.(?P<year2>\d{4}))"
    r"(?:(?: +|T)(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d))? ?(?P<offset>Z|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)


class RowError(Exception):
    """A row that cannot be imported; the text says all that is wrong with it."""


@dataclass(frozen=True, slots=True)
class Words:
    """What keys are called in a file, in lower case, in every language; `never_leads` are numbers that make no lead.

    `gone` are those of the people who have left: only what is closed is still theirs. Times that tell no offset are
    those of `zone`, the company's: two people in different zones read one file alike.
    """

    statuses: Mapping[str, int]
    sources: Mapping[str, int]
    people: Mapping[str, int]
    gone: Collection[int]
    languages: Mapping[str, str]
    never_leads: frozenset[str]
    region: str
    zone: tzinfo


@dataclass(frozen=True, slots=True)
class _Values:
    """The cells of one row by their columns, and what is `wrong` with it: all of it is told at once."""

    line: int
    texts: Mapping[Column, str]
    numbers: tuple[str, ...]
    numbers_typed: bool
    wrong: list[str]

    def text(self, column: Column) -> str:
        return self.texts.get(column, "")

    def refuse(self) -> None:
        """Raise what is wrong with the row, if anything is."""
        if self.wrong:
            raise RowError(" ".join(self.wrong))


def guess_columns(kind: Kind, header: Sequence[str], catalogs: Mapping[str, NullTranslations]) -> Mapped:
    """What each column seems to hold, by its heading in any language; a second one of a kind only for numbers."""
    names, taken = header_names(catalogs), set[Column]()
    found: list[Column | None] = []
    for heading in header:
        column = names.get(folded(heading))
        if column is Column.CONTACT_PERSON and kind is Kind.LEADS:
            column = None if Column.NAME in taken else Column.NAME
        usable = column in COLUMNS[kind] and (column is Column.NUMBER or column not in taken)
        found.append(column if usable else None)
        if column is not None:
            taken.add(column)
    return tuple(found)


def read_leads(rows: CsvRows, mapped: Mapped, words: Words) -> Iterator[LeadRow | Refusal]:
    """The leads of a file, in its order."""
    for line, row in rows:
        try:
            yield _lead(_values(line, row, mapped, words), words)
        except RowError as error:
            yield _refusal(line, row, mapped, str(error))


def read_counterparties(rows: CsvRows, mapped: Mapped, words: Words) -> Iterator[CounterpartyRow | Refusal]:
    """The counterparties of a file; rows of contact persons join the counterparty of that name above them."""
    present: CounterpartyRow | None = None
    for line, row in rows:
        try:
            values = _values(line, row, mapped, words)
            company, person = _counterparty(values, words)
        except RowError as error:
            yield _refusal(line, row, mapped, str(error))
            continue
        if person is not None and present is not None and _same_card(present, company):
            if len(present.persons) >= MOST_PERSONS:
                yield _refusal(line, row, mapped, _("At most %(count)s contact persons.", count=MOST_PERSONS))
            else:
                present = replace(present, persons=(*present.persons, person))
            continue
        if present is not None:
            yield present
        present = company if person is None else replace(company, persons=(person,))
    if present is not None:
        yield present


def _same_card(present: CounterpartyRow, row: CounterpartyRow) -> bool:
    return present.name == row.name and (not row.card or row.card == present.card)


def _lead(values: _Values, words: Words) -> LeadRow:
    if not values.numbers_typed:
        values.wrong.append(_("A lead has at least one number."))
    for never in filter(words.never_leads.__contains__, values.numbers):
        values.wrong.append(_("%(number)s is one of our own or an ignored number; it makes no lead.", number=never))
    closed_at = _moment(values, Column.CLOSED, words.zone)
    row = LeadRow(
        line=values.line,
        name=values.text(Column.NAME),
        numbers=values.numbers,
        email=values.text(Column.EMAIL),
        address=values.text(Column.ADDRESS),
        comment=values.text(Column.COMMENT),
        language=_chosen(values, Column.LANGUAGE, words.languages),
        status_id=_chosen(values, Column.STATUS, words.statuses),
        source_id=_chosen(values, Column.SOURCE, words.sources),
        responsible_id=_responsible(values, words, past=closed_at is not None),
        last_call_at=_moment(values, Column.LAST_CALL, words.zone),
        created_at=_moment(values, Column.CREATED, words.zone),
        closed_at=closed_at,
    )
    values.refuse()
    return replace(row, name="") if row.name == row.numbers[0] else row


def _counterparty(values: _Values, words: Words) -> tuple[CounterpartyRow, PersonRow | None]:
    """The counterparty that a row is about, and the contact person, if it is about one."""
    name = values.text(Column.NAME)
    if not name:
        values.wrong.append(_("A counterparty has a name."))
    language = _chosen(values, Column.LANGUAGE, words.languages)
    responsible = _responsible(values, words)
    email, person = values.text(Column.EMAIL), values.text(Column.CONTACT_PERSON)
    folder, card = values.text(Column.FOLDER), values.text(Column.CARD)
    if person:
        values.refuse()
        company = CounterpartyRow(values.line, name, folder, card=card)
        return company, PersonRow(person, values.numbers, email, language, responsible)
    own = CounterpartyRow(
        line=values.line,
        name=name,
        folder=folder,
        numbers=values.numbers,
        email=email,
        address=values.text(Column.ADDRESS),
        comment=values.text(Column.COMMENT),
        language=language,
        status_id=_chosen(values, Column.STATUS, words.statuses),
        source_id=_chosen(values, Column.SOURCE, words.sources),
        responsible_id=responsible,
        created_at=_moment(values, Column.CREATED, words.zone),
        card=card,
    )
    values.refuse()
    return own, None


def _values(line: int, row: Row, mapped: Mapped, words: Words) -> _Values:
    texts: dict[Column, str] = {}
    typed: list[str] = []
    wrong: list[str] = []
    for column, cell in zip(mapped, row, strict=False):
        if column is None:
            continue
        text = _text(column, original(cell), wrong)
        if column is Column.NUMBER:
            parts = text.replace(";", ",").replace("\n", ",").replace("|", ",").split(",")
            typed += [part.strip() for part in parts if part.strip()]
        elif column is Column.EMAIL and text and not is_email(text):
            wrong.append(_("“%(text)s” is no e-mail address.", text=text[:_CUT]))
        elif text:
            texts[column] = text
    return _Values(line, texts, _numbers(typed, words.region, wrong), bool(typed), wrong)


def _text(column: Column, cell: str, wrong: list[str]) -> str:
    """What a cell says; of what cannot be kept, which is `wrong` then, enough to look for other mistakes."""
    lines = column in (Column.COMMENT, Column.NUMBER)
    longest = _LONGEST.get(column, _USUAL_LONGEST if column is not Column.NUMBER else 1000)
    text = cell.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not lines:
        text = text.replace("\n", " ").replace("\t", " ")
    if len(text) > longest:
        wrong.append(
            ngettext(
                "%(column)s: at most %(count)s character.",
                "%(column)s: at most %(count)s characters.",
                longest,
                column=_(HEADERS[column]),
            )
        )
    try:
        return checked(text[:longest], longest, lines=True)
    except ValueError:
        wrong.append(_("%(column)s: holds characters that cannot be kept.", column=_(HEADERS[column])))
        return "".join(letter for letter in text[:longest] if letter.isprintable())


def _numbers(typed: Sequence[str], region: str, wrong: list[str]) -> tuple[str, ...]:
    numbers: dict[str, None] = {}
    for raw in typed:
        number = read_number(_WHOLE.sub(r"\1", raw), region)
        if number.kind is NumberKind.OUTSIDE:
            numbers[number.text] = None
        else:
            wrong.append(_("“%(text)s” is no public telephone number.", text=raw[:_CUT]))
    if len(numbers) > MOST_NUMBERS:
        wrong.append(ngettext("At most %(count)s number.", "At most %(count)s numbers.", MOST_NUMBERS))
    return tuple(numbers)


def _chosen(values: _Values, column: Column, names: Mapping[str, Key]) -> Key | None:
    text = values.text(column)
    found = names.get(text.casefold()) if text else None
    if text and found is None:
        values.wrong.append(_nobody(column, text))
    return found


def _responsible(values: _Values, words: Words, *, past: bool = False) -> int | None:
    """Who is responsible; of what is over (`past`) also somebody who has left."""
    found = _chosen(values, Column.RESPONSIBLE, words.people)
    if found in words.gone and not past:
        values.wrong.append(_nobody(Column.RESPONSIBLE, values.text(Column.RESPONSIBLE)))
    return found


def _nobody(column: Column, text: str) -> str:
    return _("%(column)s: there is no “%(text)s” here.", column=_(HEADERS[column]), text=text[:_CUT])


def _moment(values: _Values, column: Column, zone: tzinfo) -> datetime | None:
    """A time as our exports write it, or as a spreadsheet makes it of that."""
    text = values.text(column)
    if not text:
        return None
    try:
        moment = _read_time(text, zone).astimezone(UTC)
        if 1970 < moment.year < 2200:
            return moment
    except (ValueError, OverflowError):
        pass
    values.wrong.append(
        _(
            "%(column)s: “%(text)s” is no time. Write it like 2026-12-31 18:00.",
            column=_(HEADERS[column]),
            text=text[:_CUT],
        )
    )
    return None


def _read_time(text: str, zone: tzinfo) -> datetime:
    """A written time, of its own offset or else of this zone; one of all a file's times is not worth a strptime.

    Raises:
        ValueError: it is none.
    """
    if (found := _TIME.fullmatch(text)) is None:
        raise ValueError(text)
    part = found.groupdict(default="0")
    year, month, day = (int(part[name]) or int(part[f"{name}2"]) for name in ("year", "month", "day"))
    hour, minute, second = (int(part[name]) for name in ("hour", "minute", "second"))
    own = found["offset"] and datetime.strptime(found["offset"], "%z").tzinfo
    return datetime(year, month, day, hour, minute, second, tzinfo=own or zone)


def _refusal(line: int, row: Row, mapped: Mapped, reason: str) -> Refusal:
    cells = dict(zip(reversed(mapped), reversed(row[: len(mapped)] + [""] * (len(mapped) - len(row))), strict=True))
    name = cells.get(Column.NAME, "") or cells.get(Column.NUMBER, "")
    return Refusal(line, "".join(letter for letter in name if letter.isprintable())[:200], reason)
