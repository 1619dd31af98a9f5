"""Writes phone books as desk phones read them: Yealink, Grandstream, Cisco (XML), and vCard (C14)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_LONGEST_LINE = 75
"""Bytes of a line in a vCard; what is longer goes on in the next."""

_GRANDSTREAM_TYPES = ("Work", "Home", "Mobile")
"""A contact of a Grandstream has one number of each type."""


@dataclass(frozen=True, slots=True)
class Line:
    """One entry as the phone can show it."""

    name: str
    numbers: tuple[str, ...]
    company: str = ""


def yealink_menu(pages: Iterable[tuple[str, str]]) -> str:
    """A menu of the book's parts: what stands first in each, and its address.

    Its items are named as those of a remote phone book; Prompt and URI are of a TextMenu, which is another thing.
    """
    items = "".join(
        f"<MenuItem><Name>{_text(name)} …</Name><URL>{_text(address)}</URL></MenuItem>\n" for name, address in pages
    )
    return f"{_HEAD}<YealinkIPPhoneMenu>\n<Title>Leadline</Title>\n{items}</YealinkIPPhoneMenu>\n"


def yealink(lines: Iterable[Line]) -> str:
    """Entries for Yealink's remote phone book."""
    return f"{_HEAD}<YealinkIPPhoneDirectory>\n{_entries(lines)}</YealinkIPPhoneDirectory>\n"


def grandstream(lines: Iterable[Line]) -> str:
    """Entries for Grandstream's phone book that it downloads; numbers that a contact cannot hold go into another."""
    most = len(_GRANDSTREAM_TYPES)
    pieces = (
        (line.name, line.numbers[begin : begin + most]) for line in lines for begin in range(0, len(line.numbers), most)
    )
    contacts = "".join(
        f"<Contact><id>{place}</id><FirstName></FirstName><LastName>{_text(name)}</LastName>"
        + "".join(
            f'<Phone type="{kind}"><phonenumber>{_text(number)}</phonenumber><accountindex>0</accountindex></Phone>'
            for kind, number in zip(_GRANDSTREAM_TYPES, numbers, strict=False)
        )
        + "</Contact>\n"
        for place, (name, numbers) in enumerate(pieces, 1)
    )
    return f"{_HEAD}<AddressBook>\n<version>1</version>\n{contacts}</AddressBook>\n"


def cisco(lines: Iterable[Line], next_address: str | None, words: Sequence[str]) -> str:
    """Entries for Cisco's directory service, where each has one number; `words` name the keys Dial, Next and Exit."""
    single = (replace(line, numbers=(number,)) for line in lines for number in line.numbers)
    dial, following, leave = map(_text, words)
    keys = [(dial, "SoftKey:Dial")]
    if next_address is not None:
        keys.append((following, _text(next_address)))
    keys.append((leave, "SoftKey:Exit"))
    soft = "".join(
        f"<SoftKeyItem><Name>{name}</Name><URL>{url}</URL><Position>{place}</Position></SoftKeyItem>\n"
        for place, (name, url) in enumerate(keys, 1)
    )
    return (
        f"{_HEAD}<CiscoIPPhoneDirectory>\n<Title>Leadline</Title>\n<Prompt></Prompt>\n"
        f"{_entries(single)}{soft}</CiscoIPPhoneDirectory>\n"
    )


def cisco_menu(name: str, address: str) -> str:
    """What a phone's directoryURL must lead to: a menu, here of one book; a book itself it would not show there."""
    item = f"<MenuItem><Name>{_text(name)}</Name><URL>{_text(address)}</URL></MenuItem>\n"
    return f"{_HEAD}<CiscoIPPhoneMenu>\n<Title>{_text(name)}</Title>\n{item}</CiscoIPPhoneMenu>\n"


def vcards(lines: Iterable[Line]) -> str:
    """Entries as vCards 3.0, which nearly everything imports."""
    text = []
    for line in lines:
        name = _value(line.name)
        text += ["BEGIN:VCARD", "VERSION:3.0", f"N:{name};;;;", f"FN:{name}"]
        if line.company:
            text.append(f"ORG:{_value(line.company)}")
        text += [f"TEL;TYPE=WORK,VOICE:{number}" for number in line.numbers]
        text.append("END:VCARD")
    return "".join(f"{_folded(part)}\r\n" for part in text)


def _entries(lines: Iterable[Line]) -> str:
    return "".join(
        f"<DirectoryEntry><Name>{_text(line.name)}</Name>"
        + "".join(f"<Telephone>{_text(number)}</Telephone>" for number in line.numbers)
        + "</DirectoryEntry>\n"
        for line in lines
    )


def _text(value: str) -> str:
    return escape(value)


def _value(text: str) -> str:
    """A text as the value of a vCard's property."""
    for sign in ("\\", ";", ","):
        text = text.replace(sign, f"\\{sign}")
    return text.replace("\n", "\\n")


def _folded(line: str) -> str:
    """A line of at most 75 bytes, gone on with after a break and a space; never within a character."""
    parts, part, size = [], "", 0
    for letter in line:
        width = len(letter.encode())
        if size + width > _LONGEST_LINE:
            parts.append(part)
            part, size = "", 1
        part += letter
        size += width
    return "\r\n ".join([*parts, part])
