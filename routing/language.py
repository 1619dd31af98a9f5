"""Tells in which language a name is to be read, because the same Cyrillic letters sound different in each.

«Ольга Мельниченко» is Olha Melnychenko in Ukrainian and Olga Melnichenko in Russian, and nothing in it says which.
"""

UKRAINIAN, RUSSIAN = "uk", "ru"
_ONLY = {UKRAINIAN: frozenset("іїєґІЇЄҐ"), RUSSIAN: frozenset("ыэёъЫЭЁЪ")}


def language_of(name: str, own: str | None, default: str | None) -> str | None:
    """Tell the language of `name`: the card's own setting, else its letters where they tell it, else the default.

    Letters tell it where the installation reads Ukrainian or Russian: `і ї є ґ` are in the first alphabet alone,
    `ы э ё ъ` in the second. An installation with another default (Bulgarian has `ъ`, Belarusian `і`) is left to it.
    """
    if own:
        return own
    if default not in _ONLY:
        return default
    letters = set(name)
    told = [language for language, only in _ONLY.items() if not only.isdisjoint(letters)]
    return told[0] if len(told) == 1 else default
