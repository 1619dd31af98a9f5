"""The panel's languages: which one a request speaks, its words, and its way of writing times.

Catalogs are plain .po files, compiled in memory at the start, so that a translator edits text and there is no build
step. The request's language travels in a context variable: `_("…")` works in handlers and in templates alike.
"""

import gettext
import io
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from babel.dates import format_date, get_month_names
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from markupsafe import Markup

LANGUAGES: Mapping[str, str] = {"en": "English", "uk": "Українська", "ru": "Русский"}
_FOLDER = Path(__file__).parent / "locale"
_NO_TIME = Markup("–")


@dataclass(frozen=True, slots=True)
class Locale:
    """How one request speaks: language, words, time zone, and the moment it calls now."""

    language: str
    words: gettext.NullTranslations
    zone: ZoneInfo
    now: datetime
    company: ZoneInfo | None = None
    """The company's zone, whose days are those of plans and reports; None where it does not matter."""


_locale: ContextVar[Locale] = ContextVar("locale")


@cache
def load_catalogs() -> Mapping[str, gettext.NullTranslations]:
    """Read the .po files of every language, once; the words in the code are English, so English needs none."""
    return {language: _words(language) for language in LANGUAGES}


def _words(language: str) -> gettext.NullTranslations:
    """All that a language's files say, in one catalog: fallbacks from file to file are slow to ask."""
    files = sorted((_FOLDER / language).glob("*.po"))
    if not files:
        return gettext.NullTranslations()
    together = Catalog(locale=language)
    for path in files:
        with path.open("rb") as source:
            catalog = read_po(source, locale=language, domain=path.stem, abort_invalid=True)
        for message in catalog:
            # What several files say is said by the first of them.
            if message.id and message.string and not message.fuzzy and message.id not in together:
                together[message.id] = message
    compiled = io.BytesIO()
    write_mo(compiled, together)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def speak_in(language: str, catalogs: Mapping[str, gettext.NullTranslations]) -> None:
    """Go on in another language, if there is that one."""
    if language in catalogs:
        use_locale(replace(current_locale(), language=language, words=catalogs[language]))


def accepted_language(header: str) -> str:
    """Choose the panel's language from an Accept-Language header; English when none fits."""
    wishes: list[tuple[float, int, str]] = []
    for place, part in enumerate(header[:500].split(",")[:20]):
        tag, _separator, weight = part.strip().partition(";q=")
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        wishes.append((-quality, place, tag.strip().lower()[:2]))
    return next((tag for _quality, _place, tag in sorted(wishes) if tag in LANGUAGES), "en")


def use_locale(locale: Locale) -> None:
    """Make `locale` the language of the running task."""
    _locale.set(locale)


def current_locale() -> Locale:
    """The language of the running task; English and UTC outside of a request."""
    return _locale.get(None) or Locale("en", gettext.NullTranslations(), ZoneInfo("UTC"), datetime.now(UTC))


def _(message: str, /, **values: object) -> str:
    """Say `message` in the request's language; `values` fill its %(name)s places."""
    text = current_locale().words.gettext(message)
    return _one_stop(text % values) if values else text


def ngettext(one: str, many: str, count: int, /, **values: object) -> str:
    """Say how many, in the plural form that the language has for `count`; %(count)s stands for the number."""
    return _one_stop(current_locale().words.ngettext(one, many, count) % {"count": count, **values})


def _one_stop(sentence: str) -> str:
    """End a sentence with one full stop, also after a month or a name that is cut short with one."""
    return sentence[:-1] if sentence.endswith("..") else sentence


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for "translate later"
    """Mark `message` for translators where it is declared; `_()` says it later."""
    return message


def short_time(moment: datetime) -> str:
    """Write a moment briefly in the viewer's zone: only the time when it was today, the year only when it differs."""
    locale = current_locale()
    return _briefly(moment.astimezone(locale.zone), locale)


def long_time(moment: datetime) -> str:
    """Write a moment in full, to the second, in the viewer's zone."""
    locale = current_locale()
    return _in_full(moment.astimezone(locale.zone), locale.language)


def _briefly(local: datetime, locale: Locale) -> str:
    today = locale.now.astimezone(locale.zone)
    clock = f"{local.hour:02}:{local.minute:02}"
    if local.date() == today.date():
        return clock
    day = f"{local.day} {_month_names('abbreviated', locale.language)[local.month]}"
    if local.year == today.year:
        return f"{day}, {clock}"
    # Where a column is narrow the year stands with the clock, on two lines and not on three.
    return f"{day} {local.year},\xa0{clock}"


def _in_full(local: datetime, language: str) -> str:
    day = f"{local.day} {_month_names('wide', language)[local.month]} {local.year}"
    return f"{day}, {local.hour:02}:{local.minute:02}:{local.second:02}"


@cache
def _month_names(width: Literal["abbreviated", "wide"], language: str) -> Mapping[int, str]:
    """The months as they stand in a date. A list shows many times: Babel, asked for each, would take half of a page."""
    return dict(get_month_names(width, locale=language))


def local_day(moment: datetime) -> date:
    """The calendar day of a moment in the viewer's zone."""
    return moment.astimezone(current_locale().zone).date()


def day_text(day: date) -> str:
    """Write a calendar day, which is the company's and of no zone; the year only when it is not this one."""
    locale = current_locale()
    pattern = "EEE, d MMM" if day.year == locale.now.astimezone(locale.zone).year else "EEE, d MMM y"
    return format_date(day, pattern, locale=locale.language)


def company_days(*, with_time: bool = False) -> str:
    """Say whose days are meant to a viewer whose clock is another than the company's; nothing to the others.

    Args:
        with_time: whether a time may stand beside the day, and make it one of the viewer's.
    """
    locale = current_locale()
    if locale.company is None or _ahead(locale.company) == _ahead(locale.zone):
        return ""
    if with_time:
        return _("A day of the company, in %(zone)s; with a time, one of yours.", zone=locale.company.key)
    return _("Days are the company's, in %(zone)s.", zone=locale.company.key)


def _ahead(zone: ZoneInfo) -> timedelta | None:
    return current_locale().now.astimezone(zone).utcoffset()


def month_text(day: date) -> str:
    """Write the month of a day with its year."""
    return format_date(day, "LLLL y", locale=current_locale().language).capitalize()


def time_element(moment: datetime | None) -> Markup:
    """A <time> element: brief to read, exact for machines and on hover; a dash where there is no time."""
    if moment is None:
        return _NO_TIME
    locale = current_locale()
    local = moment.astimezone(locale.zone)
    exact, full, brief = moment.isoformat(timespec="seconds"), _in_full(local, locale.language), _briefly(local, locale)
    return Markup(f'<time datetime="{exact}" title="{full}">{brief}</time>')  # noqa: S704 - digits and names of months
