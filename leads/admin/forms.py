"""Reads forms and query strings: the edge where what browsers send is checked, once, and typed from there.

A field that a person filled in wrongly gets a message beside it and keeps what was typed; a request that no page of
ours could have sent is refused with 400.
"""

import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from leads.admin.i18n import _, ngettext
from leads.admin.refusals import strange_address, strange_form
from leads.domain.numbers import NumberKind, read_number

BIGGEST_ID = 2**31 - 1
"""The largest key that the databases' integer columns hold."""
ID = "{id:[1-9][0-9]{0,8}}"
"""The pattern of a row's key in a route."""
MOST_FIELDS = 500
_LINE_BREAKS = {"\n", "\t"}
Choice = TypeVar("Choice", bound=StrEnum)


def checked(text: str, longest: int, *, lines: bool = False) -> str:
    """Refuse text that cannot be kept: control characters, lone surrogates, or beyond `longest`.

    Raises:
        ValueError: the text is such.
    """
    if len(text) > longest:
        raise ValueError("too long")
    if _unkept(text, lines=lines) is not None:
        raise ValueError("holds characters that cannot be kept")
    return text


def _unkept(text: str, *, lines: bool) -> int | None:
    """The place of the first character that cannot be kept; line breaks and tabs only where `lines` may be."""
    for place, letter in enumerate(text):
        category = unicodedata.category(letter)
        if category == "Cs" or (category == "Cc" and not (lines and letter in _LINE_BREAKS)):
            return place
    return None


def parse_fields(encoded: bytes | str) -> dict[str, list[str]]:
    """Decode an urlencoded form or query: bad UTF-8 and too many fields are refused.

    The values are as they were typed, however long and whatever they hold: their readers say what is wrong with them.

    Raises:
        ValueError: it is no such text (UnicodeError among it).
    """
    text = encoded.decode("ascii") if isinstance(encoded, bytes) else encoded
    fields: dict[str, list[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS):
        checked(name, 100)
        fields.setdefault(name, []).append(value.replace("\r\n", "\n"))
    return fields


def too_long(text: str, longest: int) -> str:
    """Say how long a text may be, and how long it is."""
    allowed = ngettext("At most %(count)s character.", "At most %(count)s characters.", longest)
    present = _("Here are %(count)s.", count=len(text))
    return f"{allowed} {present}"


def cannot_be_kept(text: str, place: int) -> str:
    """Say which character of a text cannot be kept: it is invisible, so it is told by its place and code."""
    return _(
        "Character %(place)s is an invisible control character (%(code)s), which cannot be kept. Remove it.",
        place=place + 1,
        code=f"U+{ord(text[place]):04X}",
    )


def _fault(text: str, longest: int) -> str:
    """Say why a text cannot be kept; nothing where it can."""
    if len(text) > longest:
        return too_long(text, longest)
    unkept = _unkept(text, lines=True)
    return "" if unkept is None else cannot_be_kept(text, unkept)


class Form:
    """The fields of one form: what was typed, what is wrong with it, and what somebody else saved meanwhile.

    `errors` maps a field's name to a message in the viewer's language; the macros of templates/forms.html show them.
    `theirs` maps a field to what the database holds now, after a conflict; `overtaken` tells that there was one.
    """

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        """Hold `fields` as `parse_fields` gives them."""
        self._fields = fields
        self.errors: dict[str, str] = {}
        self.theirs: dict[str, str] = {}
        self.overtaken = False

    @classmethod
    def filled(cls, **values: object) -> "Form":
        """A form to begin with; None and False are nothing, True is ticked, a list is a repeated field."""
        fields: dict[str, list[str]] = {}
        for name, value in values.items():
            if isinstance(value, (list, tuple)):
                fields[name] = ["" if item is None else str(item) for item in value]
            elif value is None or value is False:
                fields[name] = []  # Known to be nothing, which somebody else may have made of something.
            else:
                fields[name] = ["1" if value is True else str(value)]
        return cls(fields)

    def value(self, name: str) -> str:
        """What stands in a field now, as typed; empty when the field was not sent."""
        values = self._fields.get(name)
        return values[0] if values else ""

    def values(self, name: str) -> list[str]:
        """Everything that stands in a repeated field."""
        return list(self._fields.get(name, ()))

    def against(self, current: "Form", shown: Mapping[str, Callable[[str], str]] | None = None) -> "Form":
        """The form after somebody else saved: what was typed, beside it what is saved now, under the new version.

        Args:
            current: the form as it would be opened now.
            shown: how a field's value is said, where it is a key or a code.
        """
        form = self.replaced(version=current.value("version"))
        form.overtaken = True
        for name in current._fields:
            # An empty text is sent, a tick that is not set is not: both are nothing.
            saved, typed = ([] if values == [""] else values for values in (current.values(name), self.values(name)))
            if name != "version" and saved != typed:
                say = (shown or {}).get(name, str)
                form.theirs[name] = ", ".join(say(value) for value in saved if value)
        return form

    def replaced(self, **values: object) -> "Form":
        """The same form with some fields set anew, as after a conflict."""
        form = Form({**self._fields, **Form.filled(**values)._fields})
        form.errors, form.theirs, form.overtaken = self.errors, self.theirs, self.overtaken
        return form

    def fail(self, name: str, message: str) -> None:
        """Say what is wrong with a field; the first message stays."""
        self.errors.setdefault(name, message)

    def text(self, name: str, *, required: bool = False, longest: int = 200, lines: bool = False) -> str:
        """A text field without outer spaces; `lines` lets it have several."""
        return self.checked_text(name, self.value(name), required=required, longest=longest, lines=lines)

    def checked_text(
        self, name: str, typed: str, *, required: bool = False, longest: int = 200, lines: bool = False
    ) -> str:
        """Like `text` for one value of a repeated field, with messages under `name`."""
        value = typed.strip()
        if required and not value:
            self.fail(name, _("Fill this in."))
        elif fault := _fault(value, longest):
            self.fail(name, fault)
        elif not lines and any(letter in value for letter in _LINE_BREAKS):
            self.fail(name, _("Line breaks and tabs do not belong here."))
        return value[:longest]

    def integer(self, name: str, low: int, high: int, *, typed: str | None = None) -> int:
        """A whole number from `low` to `high`; `low` together with a message when it is not."""
        value = (self.value(name) if typed is None else typed).strip()
        if value.isascii() and value.isdigit() and len(value) <= 9 and low <= int(value) <= high:
            return int(value)
        self.fail(name, _("A whole number from %(low)s to %(high)s.", low=low, high=high))
        return low

    def flag(self, name: str) -> bool:
        """Whether a box is ticked."""
        return bool(self.value(name))

    def choice(self, name: str, kind: type[Choice], *, typed: str | None = None) -> Choice:
        """One of an enumeration's values; another can only be sent by a forged form."""
        try:
            return kind(self.value(name) if typed is None else typed)
        except ValueError:
            raise strange_form() from None

    def identifier(self, name: str, *, typed: str | None = None) -> int | None:
        """A row's key from a list of choices, or None where none is chosen."""
        value = self.value(name) if typed is None else typed
        return _key(value, strange_form()) if value else None

    def key(self, name: str) -> int:
        """A row's key that the page itself put into the form."""
        return _key(self.value(name), strange_form())

    def version(self) -> int:
        """The version of the card that the form was filled in from."""
        return self.key("version")

    def rows(self, *names: str) -> list[dict[str, str]]:
        """The rows of repeated fields that stand side by side; rows that are empty in the first field are left out."""
        columns = [self.values(name) for name in names]
        if len({len(column) for column in columns}) > 1:
            raise strange_form()
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True) if row[0].strip()]

    def outside_number(self, name: str, region: str, *, typed: str | None = None, required: bool = True) -> str:
        """A public number typed in any form, as E.164; the typed text together with a message when it is none."""
        value = (self.value(name) if typed is None else typed).strip()
        if not value and not required:
            return ""
        number = read_number(value, region) if value else None
        if number is not None and number.kind is NumberKind.OUTSIDE:
            return number.text
        self.fail(name, _("Not a public telephone number. Write it like +380 44 123 4567."))
        return value[:40]


class Query:
    """The query string of a list page: what is asked for, and addresses that change one part of it.

    `errors` says of texts that people typed why they are not looked for; see `words`.
    """

    def __init__(self, request: web.Request, *, forgiving: bool = False) -> None:
        """Read the query of `request`; a page that shows `errors` is `forgiving`."""
        self.path = request.path
        self.errors: dict[str, str] = {}
        self._fields = parse_fields(request.rel_url.raw_query_string)
        self._forgiving = forgiving

    def typed(self, name: str) -> str:
        """What stands in a field, as typed."""
        return self._fields.get(name, [""])[0]

    def text(self, name: str, longest: int = 200) -> str:
        """A text, empty when not asked for."""
        value = self.typed(name).strip()
        if len(self._fields.get(name, ())) > 1 or _fault(value, longest):
            raise strange_address()
        return value

    def words(self, name: str, longest: int = 200) -> str:
        """A text that people type; one that cannot be looked for is as none, and `errors` says why."""
        fault = _fault(self.typed(name).strip(), longest)
        if not fault or not self._forgiving:
            return self.text(name, longest)
        self.errors[name] = fault
        return ""

    def choice(self, name: str, allowed: Collection[str], default: str) -> str:
        """One of `allowed`, such as the columns that a list can be sorted by."""
        value = self.text(name) or default
        if value not in allowed:
            raise strange_address()
        return value

    def identifier(self, name: str) -> int | None:
        """A row's key, or None when not asked for."""
        value = self.text(name)
        return _key(value, strange_address()) if value else None

    def page(self, name: str, pages: int) -> int:
        """Which of at most so many pages is asked for; the first one, 0, where none is."""
        return int(self.choice(name, {str(number) for number in range(pages)}, "0"))

    def url(self, **changes: object) -> str:
        """This page's address with some parts changed; None and "" leave a part out."""
        parts = {name: values[0] for name, values in self._fields.items()}
        parts.update({name: "" if value is None else str(value) for name, value in changes.items()})
        query = urlencode({name: value for name, value in parts.items() if value})
        return f"{self.path}?{query}" if query else self.path

    def url_at(self, path: str) -> str:
        """The address of another page for the same list, from its beginning."""
        return f"{path}{self.url(after=None, before=None).removeprefix(self.path)}"


def _key(text: str, refusal: web.HTTPBadRequest) -> int:
    """A row's key, as any of our databases has them."""
    if text.isascii() and text.isdigit() and len(text) <= 10 and 0 < int(text) <= BIGGEST_ID:
        return int(text)
    raise refusal
