"""The panel speaks English, Ukrainian and Russian, all of it (X2)."""

import gettext
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import babel.core
import pytest
from babel.dates import format_date, format_datetime, format_time
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from leads.admin import i18n
from leads.admin.audit_words import FIELDS, KINDS
from leads.store import audit
from leads.store.models import Base
from tests.admin.conftest import Company, Visitor

Speaking = Callable[[i18n.Locale], None]
FOLDER = Path(i18n.__file__).parent
KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}
NO_BREAK = chr(0xA0)
PLACES = re.compile(r"%\((\w+)\)s")
ZONES = ("UTC", "Europe/Kyiv", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Kiritimati")


def _messages() -> set[str]:
    with (FOLDER / "locale" / "babel.cfg").open() as mapping:
        methods, options = parse_mapping_cfg(mapping)
    found = extract_from_dir(FOLDER, methods, options, KEYWORDS)
    return {text[0] if isinstance(text, tuple) else text for _file, _line, text, _comments, _context in found}


def _translations(language: str) -> dict[str, tuple[str, ...]]:
    kept: dict[str, tuple[str, ...]] = {}
    for path in (FOLDER / "locale" / language).glob("*.po"):
        with path.open("rb") as source:
            for message in read_po(source, locale=language):
                key = message.id[0] if isinstance(message.id, tuple) else message.id
                said = message.string if isinstance(message.string, tuple) else (message.string,)
                if key and not message.fuzzy and all(said):
                    kept[str(key)] = tuple(map(str, said))
    return kept


@pytest.mark.parametrize("language", ["uk", "ru"])
def test_everything_is_said_in_each_language(language: str) -> None:
    missing = sorted(_messages() - _translations(language).keys())
    assert missing == [], f"translate in leads/admin/locale/{language}/*.po"


def test_every_field_that_is_noted_has_a_word() -> None:
    noted = [table for table in Base.metadata.sorted_tables if table.name not in audit.NOT_NOTED]
    assert [table.name for table in noted if table.name not in KINDS] == []
    assert {column.name for table in noted for column in table.columns} - audit.UNSAID - FIELDS.keys() == set()


@pytest.mark.parametrize("language", ["uk", "ru"])
def test_nothing_is_translated_that_is_said_nowhere(language: str) -> None:
    assert sorted(_translations(language).keys() - _messages()) == []


@pytest.mark.parametrize("language", ["uk", "ru"])
def test_translations_fill_the_same_places(language: str) -> None:
    for message, said in _translations(language).items():
        for text in said:
            assert set(PLACES.findall(text)) <= set(PLACES.findall(message)) | {"count"}, message


@pytest.mark.parametrize("language", ["uk", "ru"])
def test_what_several_files_say_is_said_by_the_first_of_them(language: str) -> None:
    said: dict[tuple[str, ...], tuple[str, ...]] = {}
    for path in sorted((FOLDER / "locale" / language).glob("*.po")):
        with path.open("rb") as source:
            for message in read_po(source, locale=language):
                if isinstance(message.id, tuple):
                    said.setdefault(message.id, tuple(message.string))
                elif message.id:
                    said.setdefault((message.id,), (str(message.string),))
    words = i18n.load_catalogs()[language]
    for message, forms in said.items():
        # These counts take each form of either language.
        found = [words.ngettext(*message, n) for n in (1, 2, 5)] if len(message) > 1 else [words.gettext(*message)]
        assert tuple(found) == forms


def test_a_word_is_looked_up_once_in_whatever_file_it_stands(
    speaking: Speaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[str] = Counter()
    look_up = gettext.GNUTranslations.gettext

    def counted(words: gettext.GNUTranslations, message: str) -> str:
        asked[message] += 1
        return look_up(words, message)

    monkeypatch.setattr(gettext.GNUTranslations, "gettext", counted)
    speaking(i18n.Locale("uk", i18n.load_catalogs()["uk"], ZoneInfo("UTC"), datetime.now(UTC)))
    assert [i18n._(message) for message in ("Statuses", "Our own word")] == ["Статуси", "Our own word"]
    assert asked == {"Statuses": 1, "Our own word": 1}


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("uk-UA,uk;q=0.9,en;q=0.8", "uk"),
        ("de,ru;q=0.5,en;q=0.4", "ru"),
        ("de-DE", "en"),
        ("", "en"),
        ("en;q=0.1,uk;q=x,ru;q=0.2", "ru"),
        ("," * 1000, "en"),
    ],
)
def test_the_browser_says_which_language(header: str, language: str) -> None:
    assert i18n.accepted_language(header) == language


def test_plurals_follow_the_language(speaking: Speaking) -> None:
    words = i18n.load_catalogs()
    speaking(i18n.Locale("uk", words["uk"], ZoneInfo("UTC"), datetime.now(UTC)))
    one, many = "One field needs another look.", "%(count)s fields need another look."
    assert [i18n.ngettext(one, many, count).split()[-1] for count in (1, 2, 5, 11, 21)] == [
        "поле.",
        "поля.",
        "полів.",
        "полів.",
        "поле.",
    ]


def test_times_are_brief_and_in_the_viewers_zone(speaking: Speaking) -> None:
    now = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)
    speaking(i18n.Locale("en", i18n.load_catalogs()["en"], ZoneInfo("Europe/Kyiv"), now))
    assert i18n.short_time(now) == "00:30"
    assert i18n.short_time(datetime(2026, 3, 2, 21, 59, tzinfo=UTC)) == "2 Mar, 23:59"
    assert i18n.short_time(datetime(2025, 12, 31, 21, 59, tzinfo=UTC)) == f"31 Dec 2025,{NO_BREAK}23:59"


@given(
    language=st.sampled_from(list(i18n.LANGUAGES)),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    now=st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)),
    ago=st.one_of(st.timedeltas(timedelta(days=-2), timedelta(days=2)), st.timedeltas(timedelta(days=-20000))),
)
def test_times_are_written_as_babel_writes_them(language: str, zone: ZoneInfo, now: datetime, ago: timedelta) -> None:
    try:
        moment = now - ago
        local, today = moment.astimezone(zone), now.astimezone(zone)
    except OverflowError:
        return
    full = format_datetime(local, "d MMMM y, HH:mm:ss", locale=language)
    brief = format_time(local, "HH:mm", locale=language)
    if local.date() != today.date():
        day = format_date(local, "d MMM" if local.year == today.year else "d MMM y", locale=language)
        brief = f"{day},{' ' if local.year == today.year else NO_BREAK}{brief}"
    before = i18n.current_locale()
    i18n.use_locale(i18n.Locale(language, i18n.load_catalogs()[language], zone, now))
    try:
        assert (i18n.short_time(moment), i18n.long_time(moment)) == (brief, full)
        exact = moment.isoformat(timespec="seconds")
        assert i18n.time_element(moment) == f'<time datetime="{exact}" title="{full}">{brief}</time>'
    finally:
        i18n.use_locale(before)


@pytest.mark.parametrize("language", list(i18n.LANGUAGES))
def test_babel_is_not_asked_for_each_time_of_a_list(
    language: str, speaking: Speaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)
    speaking(i18n.Locale(language, i18n.load_catalogs()[language], ZoneInfo("Europe/Kyiv"), now))
    i18n.time_element(datetime(2025, 1, 1, tzinfo=UTC))
    monkeypatch.setattr(babel.core.Locale, "parse", lambda *_args, **_more: pytest.fail("Babel was asked"))
    for month in range(1, 13):
        assert "<time" in i18n.time_element(datetime(2025, month, 1, tzinfo=UTC))


def test_a_sentence_that_ends_with_a_month_cut_short_has_one_stop(speaking: Speaking) -> None:
    words = i18n.load_catalogs()
    speaking(i18n.Locale("uk", words["uk"], ZoneInfo("UTC"), datetime(2026, 3, 2, tzinfo=UTC)))
    said = [i18n._("A call is planned for %(day)s.", day=i18n.day_text(date(year, 11, 28))) for year in (2026, 2027)]
    assert said == ["Дзвінок заплановано на сб, 28 лист.", "Дзвінок заплановано на нд, 28 лист. 2027."]


async def test_pages_speak_the_browsers_language(visitor: Callable[[], Visitor], company: Company) -> None:
    page = await visitor().get("/sign-in", Accept_Language="uk")
    assert '<html lang="uk"' in page.text
    assert "Увійти" in page.text
