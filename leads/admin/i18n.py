"""The panel's languages: which one a request speaks, its words, and its way of writing times.

Catalogs are plain .po files, compiled in memory at the start, so that a translator edits text and there is no build
step. The request's language travels in a context variable: `_("…")` works in handlers and in templates alike.
"""

import gettext
import io
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from markupsafe import Markup, escape

LANGUAGES: Mapping[str, str] = {"en": "English", "uk": "Українська", "ru": "Русский"}
_FOLDER = Path(__file__).parent / "locale"


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
    catalogs: dict[str, gettext.NullTranslations] = {"en": gettext.NullTranslations()}
    for language in LANGUAGES:
        for path in sorted((_FOLDER / language).glob("*.po")):
            with path.open("rb") as source:
                catalog = read_po(source, locale=language, domain=path.stem, abort_invalid=True)
            compiled = io.BytesIO()
            write_mo(compiled, catalog)
            compiled.seek(0)
            words = gettext.GNUTranslations(compiled)
            if language in catalogs:
                catalogs[language].add_fallback(words)
            else:
                catalogs[language] = words
    return catalogs


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
    local, today = moment.astimezone(locale.zone), locale.now.astimezone(locale.zone)
    clock = format_time(local, "HH:mm", locale=locale.language)
    if local.date() == today.date():
        return clock
    day = format_date(local, "d MMM" if local.year == today.year else "d MMM y", locale=locale.language)
    return f"{day}, {clock}"


def long_time(moment: datetime) -> str:
    """Write a moment in full, to the second, in the viewer's zone."""
    locale = current_locale()
    return format_datetime(moment.astimezone(locale.zone), "d MMMM y, HH:mm:ss", locale=locale.language)


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
        return Markup("–")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        moment.isoformat(timespec="seconds"), escape(long_time(moment)), escape(short_time(moment))
    )
