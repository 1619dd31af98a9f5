"""The columns of CSV files: how they are headed in each language, and how keys (a status, an employee) are written.

A file that was exported in one language can be imported by somebody who speaks another.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from gettext import NullTranslations

from leads.admin.cards import NAME_LANGUAGES
from leads.admin.i18n import N_, _
from leads.admin.rendering import status_word
from leads.admin.words import FIRST_STATUSES

Choices = Sequence[tuple[int, str]]


class Kind(StrEnum):
    """Which cards a file holds."""

    LEADS = "leads"
    COUNTERPARTIES = "counterparties"


class Column(StrEnum):
    """What a column holds; several may hold numbers. CARD tells namesakes apart; see leads.domain.csv_cells."""

    NAME = "name"
    NUMBER = "number"
    CONTACT_PERSON = "contact_person"
    FOLDER = "folder"
    EMAIL = "email"
    ADDRESS = "address"
    COMMENT = "comment"
    LANGUAGE = "language"
    STATUS = "status"
    SOURCE = "source"
    RESPONSIBLE = "responsible"
    LAST_CALL = "last_call"
    CREATED = "created"
    CLOSED = "closed"
    CARD = "card"


HEADERS: Mapping[Column, str] = {
    Column.NAME: N_("Name"),
    Column.NUMBER: N_("Number"),
    Column.CONTACT_PERSON: N_("Contact person"),
    Column.FOLDER: N_("Folder"),
    Column.EMAIL: N_("E-mail"),
    Column.ADDRESS: N_("Address"),
    Column.COMMENT: N_("Comment"),
    Column.LANGUAGE: N_("Language of the name"),
    Column.STATUS: N_("Status"),
    Column.SOURCE: N_("Source"),
    Column.RESPONSIBLE: N_("Responsible"),
    Column.LAST_CALL: N_("Last call"),
    Column.CREATED: N_("Created"),
    Column.CLOSED: N_("Closed"),
    Column.CARD: N_("Mark in Leadline"),
}
OF_EVERY_CARD = (
    Column.EMAIL,
    Column.ADDRESS,
    Column.COMMENT,
    Column.LANGUAGE,
    Column.STATUS,
    Column.SOURCE,
    Column.RESPONSIBLE,
)
OTHER_NUMBERS = N_("Other numbers")
COLUMNS: Mapping[Kind, tuple[Column, ...]] = {
    Kind.LEADS: (
        Column.NAME,
        Column.NUMBER,
        *OF_EVERY_CARD,
        Column.LAST_CALL,
        Column.CREATED,
        Column.CLOSED,
    ),
    Kind.COUNTERPARTIES: (
        Column.NAME,
        Column.CONTACT_PERSON,
        Column.FOLDER,
        Column.NUMBER,
        *OF_EVERY_CARD,
        Column.CREATED,
        Column.CARD,
    ),
}
_ALSO: Mapping[Column, str] = {
    Column.NAME: (
        "title company companyname fullname customer client lead counterparty організація компанія назва найменування "
        "піб імя прізвище клієнт лід контрагент организация компания название наименование фио имя фамилия клиент лид"
    ),
    Column.NUMBER: (
        "numbers phone phones phonenumber telephone tel mobile cell телефон телефони телефоны тел номери номера "
        "мобільний мобильный номертелефону номертелефона моб"
    ),
    Column.CONTACT_PERSON: "contact contactname контакт контактнаособа контактноелицо представник представитель",
    Column.FOLDER: "group category група категорія группа категория",
    Column.EMAIL: "mail emailaddress пошта електроннапошта почта электроннаяпочта емейл имейл",
    Column.ADDRESS: "city місто город",
    Column.COMMENT: "comments note notes remark коментарі примітка примітки комментарии примечание примечания заметка",
    Column.LANGUAGE: "language мова язык",
    Column.STATUS: "state стан состояние",
    Column.SOURCE: "channel campaign utmsource реклама канал",
    Column.RESPONSIBLE: "manager owner assignedto employee менеджер співробітник сотрудник",
}


def header_names(catalogs: Mapping[str, NullTranslations]) -> dict[str, Column]:
    """Every heading that is understood, as `folded` writes it, and what it heads."""
    names: dict[str, Column] = {}
    for words in catalogs.values():
        names[folded(words.gettext(OTHER_NUMBERS))] = Column.NUMBER
        for column, header in HEADERS.items():
            names[folded(words.gettext(header))] = column
    for column, others in _ALSO.items():
        for other in others.split():
            names.setdefault(other, column)
    return names


def folded(header: str) -> str:
    """A heading without what people write in different ways: case, spaces, signs, and the 2 of Phone 2."""
    text = unicodedata.normalize("NFKC", header).casefold()
    return re.sub(r"[\W_]+", "", text).rstrip("0123456789")


def people_labels(people: Choices) -> dict[int, str]:
    """How each employee is written: by name, with a key where two have the same."""
    counts = Counter(name.casefold() for _identity, name in people)
    return {identity: name if counts[name.casefold()] == 1 else f"{name} (#{identity})" for identity, name in people}


def status_labels(statuses: Choices) -> dict[int, str]:
    """How each status is written: in the viewer's language, unless that is another status's own name."""
    own = {name for _identity, name in statuses}
    return {identity: name if status_word(name) in own else status_word(name) for identity, name in statuses}


def language_label(code: str | None) -> str:
    """How the language of a name is written."""
    return _(NAME_LANGUAGES[code]) if code else ""


def status_spellings(statuses: Choices, catalogs: Mapping[str, NullTranslations]) -> dict[str, int]:
    """Every way of writing each status, in lower case; its own name before a translation of another."""
    names = {name.casefold(): identity for identity, name in statuses}
    for identity, name in statuses:
        if name in FIRST_STATUSES:
            for words in catalogs.values():
                names.setdefault(words.gettext(name).casefold(), identity)
    return names


def people_spellings(people: Choices) -> dict[str, int]:
    """How each employee is written, in lower case: by his name where it is his alone, else with his key."""
    return {label.casefold(): identity for identity, label in people_labels(people).items()}


def language_spellings(catalogs: Mapping[str, NullTranslations]) -> dict[str, str]:
    """Every way of writing the language of a name, in lower case."""
    names = {code: code for code in NAME_LANGUAGES}
    for code, word in NAME_LANGUAGES.items():
        names.update({words.gettext(word).casefold(): code for words in catalogs.values()})
    return names
