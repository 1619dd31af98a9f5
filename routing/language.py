"""Tells in which language a name is to be read, because the same Cyrillic letters sound different in each.

«Ольга Мельниченко» is Olha Melnychenko in Ukrainian and Olga Melnichenko in Russian, and nothing in it says which.
"""

import re

UKRAINIAN, RUSSIAN = "uk", "ru"
_UKRAINIAN_ONLY = re.compile("[іїєґІЇЄҐ]")
_RUSSIAN_ONLY = re.compile("[ыэёъЫЭЁЪ]")


def language_of(name: str, own: str | None, default: str | None) -> str | None:
    """Tell the language of `name`: the card's own setting, else its letters where they tell it, else the default.

    Letters tell it where the installation reads Ukrainian or Russian: `і ї є ґ` are in the first alphabet alone,
    `ы э ё ъ` in the second. An installation with another default (Bulgarian has `ъ`, Belarusian `і`) is left to it.
    """
    if own:
        return own
    if default not in (UKRAINIAN, RUSSIAN):
        return default
    ukrainian, russian = _UKRAINIAN_ONLY.search(name), _RUSSIAN_ONLY.search(name)
    if ukrainian and not russian:
        return UKRAINIAN
    return RUSSIAN if russian and not ukrainian else default
