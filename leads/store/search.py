"""Derives what lists sort and search by, so that both databases order and find people alike.

Databases differ in how they compare letters; code points they all compare alike. So the order of the alphabet is
written into a key, and what is searched is folded before it is stored.
"""

import re
import unicodedata
from collections.abc import Iterable

_ALPHABET = "абвгґдеёєжзиіїйклмнопрстуўфхцчшщъыьэюя"
"""The letters of Ukrainian and Russian (and Belarusian ў) in one order that is right for each of them."""
_PLACES = {ord(letter): chr(0x0430 + place) for place, letter in enumerate(_ALPHABET)}
_PLAIN = str.maketrans("łđøħŧı", "ldohti")
"""Latin letters whose strokes are no accents to Unicode, or whose dot is missing."""
_APOSTROPHES = re.compile("[\u2018\u2019\u02bc\u00b4\u0060\u2032\uff07\u201b]")
_QUOTES = re.compile('["\u00ab\u00bb\u201c-\u201f\u2039\u203a]')
_UNSORTED = re.compile("['\"\u00ab\u00bb\u201c\u201d\u201e()\\[\\]]")
_SEPARATORS = re.compile(r"[\s\-\u2010-\u2015_.,;:/]+")
_DIGITS = re.compile(r"(?<![+\d])0*(\d+)")
_NUMBER_MARKS = re.compile(r"[\s()\-\u2010-\u2015./]+")
AFTER_NAMES = "\uffee"
"""What is no name begins with it in sort keys."""
_LONGEST_KEY = 100
_LONGEST_QUERY = 200
_MOST_WORDS = 8
_TRIGRAMS_OF_NUMBER = 3
SHORTEST_INNER = 3
"""How many characters a word needs to be found inside words; a shorter one is found where words begin."""


def sort_key(name: str) -> str:
    """A text whose order by code points is the order of `name` in a list for people.

    Case, quotes, apostrophes and accents of Latin letters do not count; numbers inside names go by their value. What
    is no name, such as the number of a lead that nobody has named, stands digit by digit after all names.
    """
    folded = _APOSTROPHES.sub("'", unicodedata.normalize("NFC", name).casefold())
    folded = _SEPARATORS.sub(" ", _UNSORTED.sub("", folded)).strip()
    if not folded.isprintable():  # Invisible signs, as they come with copied text: no place in a list knows them.
        folded = "".join(letter for letter in folded if letter.isprintable())
    if not any(letter.isalpha() for letter in folded):
        return f"{AFTER_NAMES}{folded}"[:_LONGEST_KEY]
    folded = _DIGITS.sub(_by_value, folded)
    return "".join(_place(letter) for letter in folded)[:_LONGEST_KEY]


def key_pieces(query: str) -> tuple[str, ...]:
    """The pieces of a sort key that all must occur in one that `query` asks for; empty when it asks for nothing.

    They have ё as е, and so must the key have.
    """
    words = query[:_LONGEST_QUERY].split()
    keys = (sort_key(word).removeprefix(AFTER_NAMES).replace(IO_IN_KEYS, IE_IN_KEYS) for word in words)
    return tuple(key for key in keys if key)[:_MOST_WORDS]


IO_IN_KEYS, IE_IN_KEYS = _PLACES[ord("ё")], _PLACES[ord("е")]
"""Keys order ё after е; whoever looks for a name means either with both, as `fold` has it."""


def search_text(*texts: str, numbers: Iterable[str] = ()) -> str:
    """All that a person is found by, folded; each word begins after two spaces, so that beginnings can be asked for."""
    words = [word for text in texts for word in fold(text).split()]
    return "".join(f"  {word}" for word in dict.fromkeys([*words, *numbers]))


def search_patterns(query: str) -> tuple[str, ...]:
    """The pieces of search_text that all must occur for `query` to match; empty when it asks for nothing.

    Digits with the signs that people put between them are one number, however it is grouped.
    """
    folded = fold(query[:_LONGEST_QUERY])
    digits = _NUMBER_MARKS.sub("", folded)
    if digits.lstrip("+").isdigit():
        number = digits.removeprefix("00") if len(digits) > 10 else digits
        return (_piece(number),)
    words = folded.split()[:_MOST_WORDS]
    if not words and _QUOTES.search(query):
        return (_piece('"'),)  # Nothing but quotes was asked for; nothing stored has any.
    return tuple(_piece(word) for word in words)


def fold(text: str) -> str:
    """Write `text` the one way in which it is stored for search: lower case, one apostrophe, ё as е, and no quotes,
    which stand around companies' names in many shapes."""
    # Before NFKC, which makes a space and an accent of one that stands alone, and after it, which takes one out of ŉ.
    folded = unicodedata.normalize("NFKC", _APOSTROPHES.sub("'", text)).casefold()
    folded = "".join(map(_visible, unicodedata.normalize("NFC", folded)))
    return _QUOTES.sub("", _APOSTROPHES.sub("'", folded)).replace("ё", "е")


def _visible(letter: str) -> str:
    """A letter as people see it: signs that show nowhere, as a soft hyphen, are within words; others part them."""
    if letter.isprintable():
        return letter
    return "" if unicodedata.category(letter) == "Cf" else " "


def like_pattern(piece: str) -> str:
    """A LIKE pattern, with backslash as its escape sign, for rows that hold `piece`."""
    return "%" + re.sub(r"([\\%_])", r"\\\1", piece) + "%"


def fts_query(pieces: Iterable[str]) -> str:
    """A query of SQLite's FTS5 for rows that may hold all pieces: those that hold the trigrams which make each up.

    Whether they follow each other, the rows themselves tell at half the cost. Each is a quoted string, in which nothing
    is special.
    """
    trigrams = dict.fromkeys(trigram for piece in pieces for trigram in search_trigrams(piece))
    return " AND ".join('"' + trigram.replace('"', '""') + '"' for trigram in trigrams)


def search_trigrams(piece: str) -> list[str]:
    """As few trigrams as hold every letter of a piece; of a long number its end only, which hardly another one has.

    What numbers begin with, those of a whole country have: to go through them all takes longer than the rest.
    """
    starts = {*range(len(piece) - 3, 0, -3), 0}
    if piece.lstrip("+").isdigit():
        starts = {*sorted(starts)[-_TRIGRAMS_OF_NUMBER:]}
        if len(starts) > 1 and piece[0] == "+":
            starts.discard(0)
    return [piece[start : start + 3] for start in sorted(starts)]


def _piece(word: str) -> str:
    return word if len(word) >= SHORTEST_INNER else f"{'  '[: SHORTEST_INNER - len(word)]}{word}"


def _by_value(digits: re.Match[str]) -> str:
    """Digits after a sign for how many they are, so that 9 comes before 10."""
    return chr(ord("0") + min(len(digits[1]), 40)) + digits[1]


def _place(letter: str) -> str:
    place = _PLACES.get(ord(letter))
    if place is not None:
        return place
    base = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    return (base or letter).translate(_PLAIN)
