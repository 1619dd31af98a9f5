"""Writes a name in all forms that the company's phones show, as one text that goes with the call through Asterisk (C6).

    main~kinds~form~form...     main is for most phones; kinds, as u24!l8, say which displays the forms after it are for

Whoever a call is handed to by whatever way (transfer, pickup, forwarding), his phone finds its own form in it, and
nobody needs to be asked. Percent-encoded, so that no sign in it means anything to AGI, Set(), Dial() or Gosub().
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from dialplan.names import display_form
from leads.domain.directory import Directory, DisplayMode, Extension
from leads.domain.displays import Displays, Kind
from routing.language import language_of

MOST_BYTES = 600
"""Asterisk hands identities from channel to channel in messages of 1,024 bytes; name and number must fit in, too."""
FIRST_FORM = 3
"""The field, from 1, of the first form after main and kinds."""
NO_NAME = "o"
"""The kind of a display that shows no names."""

_PLAIN = re.compile(r"[A-Za-z0-9А-Яа-яІіЇїЄєҐґЁё ./-]*")
_SIGNS = {DisplayMode.LATIN: "l", DisplayMode.UTF8: "u"}
_KEY = re.compile(r"[0-9A-Za-z+_.-]{1,64}")


@lru_cache(maxsize=16384)
def encode_names(name: str | None, language: str | None, displays: Displays, most_bytes: int = MOST_BYTES) -> str:
    """Write `name` in the usual form and in those that differ from it, as many as fit, the commonest displays first.

    Cached, because the same people call again.

    Args:
        name: as a person typed it; None or nothing that can be shown gives an empty text.
        language: see dialplan.names.display_form.
        displays: those of the company.
        most_bytes: of the result; a display whose form has no room left shows the usual one.
    """
    if not name:
        return ""
    main = _escape(display_form(name, language, DisplayMode.LATIN, displays.usual_length) or "")
    kinds, forms, used = "", "", len(main)
    for kind in displays.others:
        form = _escape(display_form(name, language, *kind) or "")
        if not form or form == main:
            continue
        size = len(form.encode()) + len(kind_of(*kind)) + 2
        if used + size <= most_bytes:
            kinds += f"!{kind_of(*kind)}" if kinds else kind_of(*kind)
            forms += f"~{form}"
            used += size
    if used > most_bytes:
        return ""
    return f"{main}~{kinds}{forms}" if kinds else main


def kind_of(mode: DisplayMode, length: int) -> str:
    """Name a kind of display as Asterisk's side knows it: l24, u16, o."""
    return NO_NAME if mode is DisplayMode.OFF else f"{_SIGNS[mode]}{length}"


def field_of(names: str, kind: Kind) -> int:
    """Tell which field of an encoded name, from 1, such a display shows; names are never shown by mode OFF."""
    kinds = names.split("~")[1].split("!") if "~" in names else []
    sign = kind_of(*kind)
    return kinds.index(sign) + FIRST_FORM if sign in kinds else 1


def phone_entries(directory: Directory, displays: Displays, name_language: str | None) -> dict[str, str]:
    """Say of each phone, by Asterisk's name for it (101), which display it has, and whose name colleagues see of it.

    An entry is the kind of its display and the forms of its employee's name: `u24~Olena Koval~u24~Олена Коваль`.
    """
    return dict(_phone_entries(directory, displays, name_language))


def _phone_entries(directory: Directory, displays: Displays, name_language: str | None) -> Iterator[tuple[str, str]]:
    for phone in directory.extensions.values():
        key = phone.endpoint.partition("/")[2]
        if not _KEY.fullmatch(key):
            continue
        name = _name_at(phone, directory)
        names = encode_names(name, language_of(name, None, name_language), displays) if name else ""
        yield key, f"{kind_of(phone.display_mode, phone.display_length)}~{names}"


def _name_at(phone: Extension, directory: Directory) -> str | None:
    owner = directory.employees.get(phone.employee_id) if phone.employee_id is not None else None
    return owner.name if owner and owner.active else None


def _escape(text: str) -> str:
    """Percent-encode all but letters, their marks, digits, inner spaces, dots, dashes and slashes."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(c if _is_plain(c) else "".join(f"%{byte:02X}" for byte in c.encode()) for c in text)


def _is_plain(character: str) -> bool:
    return character in " .-/" or character.isalnum() or unicodedata.category(character)[0] == "M"
