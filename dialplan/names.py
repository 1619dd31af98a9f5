"""Fits a person's name to a phone's display, because phones differ in the letters and the room that they have.

What leaves here is safe wherever it goes on the way to the display (AGI quoting, Asterisk's Set() and Dial(), a SIP
display name): letters and digits, inner marks of letters, single spaces, the four signs `. - / +`, and in UTF-8 `№` and
the apostrophe between letters as the letter that it is in Ukrainian (U+02BC). Never quotes of any kind (C6), brackets,
commas, `$`, line breaks, directions of writing, or anything that cannot be seen.
"""

import re
import unicodedata
from functools import lru_cache

from translitua import RussianICAO, TransliterationTable, UkrainianKMU, translit
from unidecode import unidecode

from leads.domain.directory import DisplayMode

_MAX_INPUT = 400
_MAX_MARKS = 3
_SIGNS = ".-/+"
_KEPT = f"{_SIGNS}№"
_EDGES = " /-+"
_APOSTROPHE = "ʼ"
_CUT_EDGES = _EDGES + _APOSTROPHE
_APOSTROPHES = frozenset("'`´‘’‛′＇ʹʺʻʼʽʾʿˈˊˋˮ՚׳ߴߵꞋꞌ")
_OUTER_APOSTROPHE = re.compile(r"(?<![^\W\d_ʼ])ʼ|ʼ(?![^\W\d_ʼ])")
_DASHES = frozenset("‐‑‒–—―−﹣－")
_CAPITALS = re.compile(r"(?<![^\W\d_])[^\W\d_a-zа-яіїєґё]{2,}(?![^\W\d_])")
# The usual name needs no cleaning: its letters are in their composed form and nothing in it is hidden.
_PLAIN = re.compile(r"[A-Za-z0-9А-Яа-яІіЇїЄєҐґЁё ./+-]*")
_SHOWS = re.compile(r"[^\W_]")
_STRESS = re.compile("[\u0300-\u036f]")
_INVISIBLE_MARK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_LATIN = {code: chr(code) if chr(code).isalnum() or chr(code) in _SIGNS else " " for code in range(128)} | {
    # Unidecode writes soft signs and the like of other scripts so.
    ord("'"): None,
    ord("`"): None,
}
# A language's own table first; the letters that it lacks, by the neighbour's.
_TABLES: dict[str, tuple[type[TransliterationTable], ...]] = {
    "uk": (UkrainianKMU, RussianICAO),
    "ru": (RussianICAO, UkrainianKMU),
}


@lru_cache(maxsize=16384)
def display_form(name: str, language: str | None, mode: DisplayMode, length: int) -> str | None:
    """Give `name` as a phone of this kind can show it, or None where nothing showable is left or it shows no names.

    Cached, because the same people call again.

    Args:
        name: as a person typed it, or several joined by ` / `.
        language: `uk` (Cabinet of Ukraine resolution 55 of 2010) or `ru` (ICAO Doc 9303) for the Cyrillic letters of
            the Latin form; anything else leaves every letter to Unidecode. See routing.language for who decides it.
        mode: what the display can draw.
        length: room on the display, in characters; a letter with marks above it is cut off whole.
    """
    if mode is DisplayMode.OFF:
        return None
    text = _visible(name)
    form = _latin(text, language) if mode is DisplayMode.LATIN else _unicode(text)
    return _fit(" ".join(form.split()), length)


def _visible(name: str) -> str:
    """Keep what a reader can see, each letter in its one composed form; whatever parts words becomes a space."""
    name = name[:_MAX_INPUT]
    if _PLAIN.fullmatch(name):
        return name
    text = unicodedata.normalize("NFC", name)
    text = unicodedata.normalize("NFC", "".join(map(_visible_character, text)))
    return _OUTER_APOSTROPHE.sub("", text)


@lru_cache(maxsize=2048)
def _visible_character(character: str) -> str:
    if character in _APOSTROPHES:
        return _APOSTROPHE
    if character in _DASHES:
        return "-"
    category = unicodedata.category(character)
    if character == "&":
        return " + "
    if category in ("Cf", "Cs", "Co", "Cn") or _INVISIBLE_MARK.match(character):
        return ""
    return " " if category[0] in "CZ" else character


def _latin(text: str, language: str | None) -> str:
    text = text.replace(_APOSTROPHE, "")
    if text.isascii():
        return text.translate(_LATIN)
    # Initials alone shout nothing.
    shouted = text.isupper() and _CAPITALS.search(text) is not None
    return " ".join([_latin_word(word, language, shouted) for word in text.split(" ")])


@lru_cache(maxsize=8192)
def _latin_word(word: str, language: str | None, shouted: bool) -> str:
    """Cached, because people share first names and surnames."""
    if word.isascii():
        return word.translate(_LATIN)
    word = _STRESS.sub("", word)
    if shouted:
        word = _romanised(word, language).upper()
    else:
        # Щ is Shch at the head of a name, but SHCH in a word that is all capitals.
        word = _CAPITALS.sub(lambda letters: _in_capitals(letters[0], language), word)
        word = _romanised(word, language)
    return word.translate(_LATIN)


def _in_capitals(letters: str, language: str | None) -> str:
    return _romanised(letters, language).upper() if letters.isupper() else letters


def _romanised(text: str, language: str | None) -> str:
    for table in _TABLES.get(language or "", ()):
        if text.isascii():
            break
        text = translit(text, table, preserve_case=False)
    return unidecode(text)


def _unicode(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" or c in _KEPT else " " for c in text)
    return unicodedata.normalize("NFC", "".join(_clusters(kept)))


def _clusters(text: str) -> list[str]:
    """Split into characters as a reader counts them: a letter with the marks on it; stray and piled-up marks go."""
    clusters: list[str] = []
    for character in text:
        if unicodedata.category(character)[0] != "M":
            clusters.append(character)
        elif clusters and clusters[-1] not in (" ", *_KEPT) and len(clusters[-1]) <= _MAX_MARKS:
            clusters[-1] += character
    return clusters


def _fit(text: str, length: int) -> str | None:
    text = text.strip(_EDGES)
    if len(text) > length:
        end = 0
        for cluster in _clusters(text):
            if end + len(cluster) > length:
                break
            end += len(cluster)
        text = text[:end].rstrip(_CUT_EDGES)
    return text if _SHOWS.search(text) else None
