"""Names on displays (C6): the official tables letter by letter, and nothing unsafe whatever is typed."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialplan.names import display_form
from leads.domain.directory import DisplayMode

UKRAINIAN = [
    # From the table of resolution 55 of 2010, with its own examples, letter by letter.
    ("Алушта", "Alushta"),
    ("Борщагівка", "Borshchahivka"),
    ("Вишгород", "Vyshhorod"),
    ("Гадяч", "Hadiach"),
    ("Згорани", "Zghorany"),
    ("Ґалаґан", "Galagan"),
    ("Єнакієве", "Yenakiieve"),
    ("Короп'є", "Koropie"),
    ("Їжакевич", "Yizhakevych"),
    ("Кадиївка", "Kadyivka"),
    ("Мар'їне", "Marine"),
    ("Йосипівка", "Yosypivka"),
    ("Стрий", "Stryi"),
    ("Щербухи", "Shcherbukhy"),
    ("Гоща", "Hoshcha"),
    ("Юрій", "Yurii"),
    ("Корюківка", "Koriukivka"),
    ("Яготин", "Yahotyn"),
    ("Костянтин", "Kostiantyn"),
    ("Знам'янка", "Znamianka"),
    ("Знам’янка", "Znamianka"),
    ("Знам`янка", "Znamianka"),
    ("Феодосія", "Feodosiia"),
    ("Ужгород", "Uzhhorod"),
    ("Розгон", "Rozghon"),
    # Case: a digraph at the head of a name, and in a word of capitals.
    ("Щербань", "Shcherban"),
    ("ЩУРОВ", "SHCHUROV"),
    ("ЩУРОВ Юрій", "SHCHUROV Yurii"),
    ("ЩУРОВ Ю.", "SHCHUROV YU."),
    ("Щуров Ю. Я.", "Shchurov Yu. Ya."),
    ("Ю. Щ.", "Yu. Shch."),
    ("Є", "Ye"),
    ("ЗГУРСЬКИЙ", "ZGHURSKYI"),
    ("Згурський", "Zghurskyi"),
    ("Рябо-Яворська", "Riabo-Yavorska"),
    ("Мельниченко Ольга", "Melnychenko Olha"),
    # Letters of the neighbour, decomposed letters, stress marks.
    ("Рыжов Эдуард", "Ryzhov Eduard"),
    ("И\u0306осип Щерба\u0301нь", "Yosyp Shcherban"),
    ("ТОВ «Ромашка», №5", "TOV Romashka No. 5"),
]

RUSSIAN = [
    ("Мельниченко Ольга", "Melnichenko Olga"),
    ("Щербань", "Shcherban"),
    ("ЩУРОВ ЮРИЙ", "SHCHUROV IURII"),
    ("Подъячев", "Podieiachev"),
    ("Цой Юлия", "Tsoi Iuliia"),
    ("Хорёк Эдуард", "Khorek Eduard"),
    ("Жуков Пётр", "Zhukov Petr"),
    ("Яшин Ыч", "Iashin Ych"),
    ("Згурский", "Zgurskii"),
    ("Згурський", "Zgurskii"),
]

OTHERS = [
    ("Müller", "Muller"),
    ("MÜLLER", "MULLER"),
    ("王小明", "Wang Xiao Ming"),
    ("Παπαδόπουλος", "Papadopoulos"),
    ("გიორგი", "giorgi"),
    ("O'Brien", "OBrien"),
    ("O’Brien", "OBrien"),
    ("'O'Brien'", "OBrien"),
    ("O'Brien Łukasz", "OBrien Lukasz"),
    ("Łukasz Żak", "Lukasz Zak"),
    ("Smith & Co", "Smith + Co"),
    ('a"b\\c', "a b c"),
    ("${EXTEN}<sip:x>;|,", "EXTEN sip x"),
    ("Wang 王\u2028小", "Wang Wang Xiao"),
]


@pytest.mark.parametrize(("name", "form"), UKRAINIAN)
def test_ukrainian_names_follow_the_table_of_2010(name: str, form: str) -> None:
    assert display_form(name, "uk", DisplayMode.LATIN, 80) == form


@pytest.mark.parametrize(("name", "form"), RUSSIAN)
def test_russian_names_follow_icao_9303(name: str, form: str) -> None:
    assert display_form(name, "ru", DisplayMode.LATIN, 80) == form


@pytest.mark.parametrize("language", ["uk", "ru", "other", None])
@pytest.mark.parametrize(("name", "form"), OTHERS)
def test_other_scripts_are_read_alike_in_every_language(name: str, form: str, language: str | None) -> None:
    assert display_form(name, language, DisplayMode.LATIN, 80) == form


def test_cyrillic_of_another_language_is_left_to_unidecode() -> None:
    assert display_form("Ольга", "other", DisplayMode.LATIN, 80) == "Olga"
    assert display_form("ЩУКА Юра", "other", DisplayMode.LATIN, 80) == "SHCHUKA Iura"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("Мельниченко Ольга", "Мельниченко Ольга"),
        ("И\u0306осип", "Йосип"),
        ("王小明", "王小明"),
        ("สมชาย ใจดี", "สมชาย ใจดี"),
        ("Мар’яна", "Марʼяна"),
        ("Дем'янчук", "Демʼянчук"),
        ("Дем`янчук", "Демʼянчук"),
        ("'Ужгород' ''", "Ужгород"),
        ("ТОВ «Ромашка», 5", "ТОВ Ромашка 5"),
        ("ТОВ „Школа №7“", "ТОВ Школа №7"),
        ("Ан\u202eна\u200b\ufeff", "Анна"),
        ("Анна\u2028Bcc\r\nX: y", "Анна Bcc X y"),
        ("Z\u0336\u0337\u0338\u0334\u0335algo", "Z\u0336\u0337\u0338algo"),
        ("Анна 😀\ufe0f", "Анна"),
        ("\u0301Анна", "Анна"),
    ],
)
def test_utf8_keeps_letters_of_every_script(name: str, form: str) -> None:
    assert display_form(name, "uk", DisplayMode.UTF8, 80) == form


@pytest.mark.parametrize("name", ["", " ", "...", "- / -", "😀", "\u200b\u202e", "'''", "\u3164", "\u0301"])
@pytest.mark.parametrize("mode", [DisplayMode.LATIN, DisplayMode.UTF8])
def test_a_name_without_a_letter_or_digit_is_none(name: str, mode: DisplayMode) -> None:
    assert display_form(name, "uk", mode, 24) is None


def test_a_phone_that_shows_no_names_gets_none() -> None:
    assert display_form("Ольга", "uk", DisplayMode.OFF, 24) is None


@pytest.mark.parametrize(
    ("name", "mode", "length", "form"),
    [
        ("Мельниченко Ольга", DisplayMode.LATIN, 11, "Melnychenko"),
        ("Мельниченко Ольга", DisplayMode.LATIN, 12, "Melnychenko"),
        ("Мельниченко Ольга", DisplayMode.LATIN, 13, "Melnychenko O"),
        ("Мельниченко Ольга", DisplayMode.UTF8, 4, "Мель"),
        ("Анна / Борис", DisplayMode.UTF8, 7, "Анна"),
        ("Дем'янчук", DisplayMode.UTF8, 4, "Дем"),
        ("ТОВ «Ромашка»", DisplayMode.UTF8, 5, "ТОВ Р"),
        ("ABCx\u0302y", DisplayMode.UTF8, 4, "ABC"),
        ("ABCx\u0302y", DisplayMode.UTF8, 5, "ABCx\u0302"),
        ("สมชาย ใจดี", DisplayMode.UTF8, 4, "สมชา"),
    ],
)
def test_a_name_is_cut_on_whole_characters(name: str, mode: DisplayMode, length: int, form: str) -> None:
    assert display_form(name, "uk", mode, length) == form


HOSTILE = st.text(
    st.one_of(
        st.characters(exclude_categories=()),
        st.sampled_from(list("\"'`´’\\<>;,|&${}[]()\r\n\0\u2028\u2029\u202e\u200b\u0301\ufe0fЩщьъєїЯ ")),
    ),
    max_size=120,
)


@given(HOSTILE, st.sampled_from(["uk", "ru", "other", None]), st.sampled_from(DisplayMode), st.integers(1, 80))
def test_whatever_is_typed_the_form_is_safe(name: str, language: str | None, mode: DisplayMode, length: int) -> None:
    form = display_form(name, language, mode, length)
    if form is None:
        return
    assert 0 < len(form) <= length
    assert form == form.strip()
    assert "  " not in form
    assert unicodedata.is_normalized("NFC", form)
    assert not unicodedata.combining(form[0])
    form.encode()
    for character in form:
        category = unicodedata.category(character)[0]
        marks = category == "M" or character in "’«»„“”№"
        assert category in "LN" or character in " .-/+'" or (marks and mode is DisplayMode.UTF8)
    if mode is DisplayMode.LATIN:
        assert form.isascii()
    else:
        assert form == display_form(form, language, mode, 80)


@given(st.text(max_size=60), st.integers(1, 60))
def test_a_cut_form_is_the_beginning_of_the_whole_one(name: str, length: int) -> None:
    whole = display_form(name, "uk", DisplayMode.UTF8, 60) or ""
    cut = display_form(name, "uk", DisplayMode.UTF8, length) or ""
    assert whole.startswith(cut)
    rest = whole[len(cut) :]
    assert not rest or unicodedata.category(rest[0])[0] != "M" or not cut
