"""Reads a counterparty's form, in which contact persons stand in repeated fields, and lays a newer card beside it."""

from dataclasses import dataclass

from leads.admin import cards as pages
from leads.admin.forms import Form
from leads.admin.i18n import _
from leads.admin.refusals import strange_form
from leads.admin.rendering import number_text, status_word
from leads.store.cards import read_numbers
from leads.store.counterparty_card import (
    MOST_PERSONS,
    CounterpartyCard,
    CounterpartyEdit,
    PersonCard,
    PersonEdit,
)
from leads.store.lead_card import LeadCard

_COLUMNS = ("person_id", "person_name", "person_email", "person_language", "person_responsible", "person_numbers")
Row = dict[str, str]


def filled(card: CounterpartyCard) -> Form:
    """The form of a card as it is now."""
    rows = [_row_of(person) for person in card.persons]
    return Form.filled(
        version=card.version,
        persons_version=_keys(card),
        name=card.name,
        folder=card.folder,
        number=[number_text(number) for number in card.numbers],
        email=card.email,
        address=card.address,
        comment=card.comment,
        language=card.language,
        status_id=card.status_id,
        source_id=card.source_id,
        responsible_id=card.responsible_id,
        **{column: [row[column] for row in rows] for column in _COLUMNS},
    )


def persons_of(form: Form) -> list[Row]:
    """The contact persons as they stand in the form."""
    columns = [form.values(column) for column in _COLUMNS]
    if len({len(column) for column in columns}) > 1:
        raise strange_form()
    return [dict(zip(_COLUMNS, row, strict=True)) for row in zip(*columns, strict=True)]


def blank_person() -> Row:
    """A contact person to be filled in."""
    return dict.fromkeys(_COLUMNS, "")


def change_persons(form: Form) -> Form | None:
    """The form with a person more or less, when one of those buttons was pressed in a browser without scripts."""
    pressed = form.value("do")
    if not pressed:
        return None
    rows = persons_of(form)
    action, _dash, place = pressed.partition("-")
    if action == "add":
        rows.append(blank_person())
    elif action == "remove" and place.isascii() and place.isdigit() and int(place[:4]) < len(rows):
        del rows[int(place[:4])]
    else:
        raise strange_form()
    return form.replaced(**{column: [row[column] for row in rows] for column in _COLUMNS})


def read_edit(form: Form, region: str) -> CounterpartyEdit:
    """The card as it was typed; what is wrong with it is in the form's errors."""
    persons = [
        _read_person(form, place, row, region)
        for place, row in enumerate(persons_of(form))
        if any(value.strip() for value in row.values())
    ]
    if len(persons) > MOST_PERSONS:
        form.fail("persons", _("At most %(count)s contact persons.", count=MOST_PERSONS))
    return CounterpartyEdit(
        name=form.text("name", required=True),
        folder=form.text("folder"),
        email=pages.read_email(form, "email"),
        address=form.text("address", longest=500),
        comment=form.text("comment", longest=10_000, lines=True),
        language=pages.read_language(form, "language"),
        responsible_id=form.identifier("responsible_id"),
        numbers=pages.read_numbers(form, "number", form.values("number"), region),
        persons=tuple(persons),
        status_id=form.identifier("status_id"),
        source_id=form.identifier("source_id"),
    )


@dataclass(frozen=True, slots=True)
class Names:
    """What employees and sources are called, for values that are keys."""

    people: dict[int, str]
    sources: dict[int, str]


def beside(form: Form, edit: CounterpartyEdit, card: CounterpartyCard, names: Names, region: str) -> Form:
    """The same form to be saved knowingly: with the present version, and beside each field what is saved now."""
    seen = set(form.value("persons_version").split(","))
    form = form.replaced(version=card.version, persons_version=_keys(card))
    pages.put_beside(
        form,
        *_shared(edit, card, names, region),
        ("name", edit.name, card.name, card.name),
        ("folder", edit.folder, card.folder, card.folder),
        ("status_id", edit.status_id or card.status_id, card.status_id, status_word(card.status)),
        ("persons", _typed(edit, region), _saved(card), "; ".join(_line(person) for person in card.persons)),
    )
    # Persons whom somebody else added meanwhile join the form, so that saving it does not remove them unseen; whoever
    # was there before was taken out by its user. Those whom the other removed are new again.
    rows = persons_of(form)
    known, kept = {row["person_id"] for row in rows}, {str(person.id) for person in card.persons}
    rows += [_row_of(person) for person in card.persons if str(person.id) not in known | seen]
    for row in rows:
        if row["person_id"] not in kept:
            row["person_id"] = ""
    return form.replaced(**{column: [row[column] for row in rows] for column in _COLUMNS})


def beside_lead(form: Form, edit: CounterpartyEdit, lead: LeadCard, names: Names, region: str) -> Form:
    """A form that a lead is to become, after somebody else saved the lead: beside each field what the lead has now."""
    form = form.replaced(lead_version=lead.version)
    pages.put_beside(form, *_shared(edit, lead, names, region))
    if lead.named:
        pages.put_beside(form, ("name", edit.name, lead.name, lead.name))
    return form


def _shared(edit: CounterpartyEdit, card: CounterpartyCard | LeadCard, names: Names, region: str) -> list[pages.Beside]:
    """The fields that a lead has as well as a counterparty."""
    words = dict(pages.language_choices())
    return [
        ("email", edit.email, card.email, card.email),
        ("address", edit.address, card.address, card.address),
        ("comment", edit.comment, card.comment, card.comment),
        ("language", edit.language, card.language, words.get(card.language or "", "")),
        ("source_id", edit.source_id, card.source_id, names.sources.get(card.source_id or 0, "")),
        ("responsible_id", edit.responsible_id, card.responsible_id, names.people.get(card.responsible_id or 0, "")),
        ("number", read_numbers(edit.numbers, region), card.numbers, pages.numbers_text(card.numbers)),
    ]


def _keys(card: CounterpartyCard) -> str:
    """The contact persons that this version of the card has."""
    return ",".join(str(person.id) for person in card.persons)


def _row_of(person: PersonCard) -> Row:
    return {
        "person_id": str(person.id),
        "person_name": person.name,
        "person_email": person.email,
        "person_language": person.language or "",
        "person_responsible": str(person.responsible_id or ""),
        "person_numbers": "\n".join(number_text(number) for number in person.numbers),
    }


def _read_person(form: Form, place: int, row: Row, region: str) -> PersonEdit:
    numbers = tuple(part.strip() for part in row["person_numbers"].replace(",", "\n").replace(";", "\n").splitlines())
    for number in filter(None, numbers):
        form.outside_number(f"person_numbers.{place}", region, typed=number)
    return PersonEdit(
        id=form.identifier("person_id", typed=row["person_id"]),
        name=form.checked_text(f"person_name.{place}", row["person_name"], required=True),
        email=pages.read_email(form, f"person_email.{place}", row["person_email"]),
        language=pages.read_language(form, f"person_language.{place}", row["person_language"]),
        responsible_id=form.identifier("person_responsible", typed=row["person_responsible"]),
        numbers=tuple(filter(None, numbers)),
    )


def _typed(edit: CounterpartyEdit, region: str) -> list[tuple[object, ...]]:
    return [
        (one.id, one.name, one.email, one.language, one.responsible_id, read_numbers(one.numbers, region))
        for one in edit.persons
    ]


def _saved(card: CounterpartyCard) -> list[tuple[object, ...]]:
    return [(one.id, one.name, one.email, one.language, one.responsible_id, one.numbers) for one in card.persons]


def _line(person: PersonCard) -> str:
    parts = (person.name, pages.numbers_text(person.numbers), person.email, person.responsible or "")
    return ", ".join(part for part in parts if part)
