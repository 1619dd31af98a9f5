"""Sort keys and search texts: the alphabet's order, and finding by pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leads.store.search import fold, fts_query, like_pattern, search_patterns, search_text, sort_key

UKRAINIAN = "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя"
RUSSIAN = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"


@pytest.mark.parametrize("alphabet", [UKRAINIAN, RUSSIAN, "abcdefghijklmnopqrstuvwxyz"])
def test_names_stand_in_the_order_of_the_alphabet(alphabet: str) -> None:
    backwards = list(alphabet)[::-1]
    assert sorted(backwards, key=sort_key) == list(alphabet)
    assert sorted(alphabet[::-1].upper(), key=sort_key) == list(alphabet.upper())


@pytest.mark.parametrize(
    "names",
    [
        ["Ганна", "Ґалаган", "Дмитро"],
        ["Елена", "Ёлкин", "Єва", "Жук"],
        ["Ирина", "Іван", "Ївга", "Йосип"],
        ["Lotte", "Łukasz", "Magda", "Öberg", "Øland", "Ostrowski", "Zorro"],
        ["Склад 9", "Склад 10", "Склад 100"],
        ["Émile", "Zorro", "Анна", "Ящук", "+380441234567", "+380501234567", "+4930123"],
        ["Мʼята", "Мята 2", "М'ята 3"],
        ["«Ромашка»", "Ромашка 2", '"Ромашка" 3'],
        ["Коваленко", "Коваль Іван", "Коваль-Іващенко"],
    ],
)
def test_names_are_ordered_as_people_expect(names: list[str]) -> None:
    backwards = names[::-1]
    assert sorted(backwards, key=sort_key) == names


@given(st.text())
def test_a_key_fits_its_column_and_ignores_case(name: str) -> None:
    assert len(sort_key(name)) <= 200
    assert sort_key(name.casefold()) == sort_key(name)


def _matches(text: str, query: str) -> bool:
    return all(piece in text for piece in search_patterns(query))


@given(
    st.text(st.characters(categories=("L", "N")), min_size=3, max_size=12),
    st.integers(0, 10**9),
    st.data(),
)
def test_any_three_letters_of_a_name_and_digits_of_a_number_find(name: str, line: int, data: st.DataObject) -> None:
    number = f"+380{line:09d}"
    text = search_text(name, "a@b.c", numbers=[number])
    folded = fold(name).split()[0] if fold(name).split() else ""
    if len(folded) >= 3 and not folded.isdigit():
        start = data.draw(st.integers(0, len(folded) - 3))
        assert _matches(text, folded[start : start + 3])
    start = data.draw(st.integers(1, len(number) - 3))
    assert _matches(text, number[start : start + 3])


def test_numbers_are_found_however_they_are_grouped() -> None:
    text = search_text("Щербань", numbers=["+380501234567"])
    for query in ("050 123-45-67", "(050) 123 45 67", "+380 50 123 4567", "00380501234567", "8050", "345"):
        assert _matches(text, query), query
    assert not _matches(text, "0501234568")


def test_short_words_are_found_where_words_begin() -> None:
    text = search_text("Іван Щербань", "ivan@example.com")
    assert _matches(text, "щ")
    assert _matches(text, "ЩЕ ІВ")
    assert not _matches(text, "ер")


def test_what_is_written_the_one_way_stays_so() -> None:
    for name in ("00ŉ", "Дар´я", "ﬁ Ёлка", "ẞ"):
        assert fold(fold(name)) == fold(name)
    assert fold("ŉ") == "'n"


def test_one_apostrophe_and_one_letter_e() -> None:
    for name in ("Дарʼя Ёлкина", "Дар´я Елкина", "Дар’я Ёлкина"):
        for query in ("дар'я", "Дар’я", "дар´я", "елкина", "ёлк"):
            assert _matches(search_text(name), query), (name, query)


def test_signs_that_nobody_sees_part_no_word() -> None:
    for invisible in ("\u200b", "\u00ad", "\ufeff", "\u200e"):
        assert _matches(search_text(f"{invisible}Щер{invisible}бань"), "щербань")
        assert _matches(search_text("Щербань"), f"{invisible}щербань{invisible}")
    assert _matches(search_text("Щербань\nЮрій"), "юрій")


@pytest.mark.parametrize("query", ["ТОВ «Київські вікна»", 'ТОВ "Київські вікна"', "„київські вікна“", "ки", "в"])
def test_quotes_around_a_companys_name_do_not_count(query: str) -> None:
    for name in ("ТОВ «Київські вікна»", 'ТОВ "Київські вікна"', "ТОВ “Київські вікна”"):
        assert _matches(search_text(name), query)
        assert not _matches(search_text(name), '" «')


@given(st.text())
def test_queries_are_harmless(query: str) -> None:
    for piece in search_patterns(query):
        assert len(piece) >= 3
        assert piece.isprintable()
        assert "".join(like_pattern(piece)[1:-1].split("\\")).replace("\\", "") == piece.replace("\\", "")
        for quoted in fts_query([piece]).split(" AND "):
            assert quoted[0] == quoted[-1] == '"'
            assert quoted[1:-1].replace('""', '"') in piece


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("777", ["777"]),
        ("0012", ["001", "012"]),
        ("щербань", ["щер", "ерб", "ань"]),
        ("щ", ["  щ"]),
        ("+38050", ["050"]),
        ("+380501234567", ["501", "234", "567"]),
        ("050 123-45-67", ["501", "234", "567"]),
        ("лис лисенко", ["лис", "исе", "нко"]),
    ],
)
def test_an_index_is_asked_for_as_few_trigrams_as_tell(query: str, asked: list[str]) -> None:
    assert fts_query(search_patterns(query)) == " AND ".join(f'"{trigram}"' for trigram in asked)


def test_signs_that_nobody_sees_have_no_place_in_an_order() -> None:
    for invisible in ("\u200b", "\u00ad", "\ufeff", "\u200e"):
        assert sort_key(f"Щер{invisible}бань") == sort_key("Щербань")
    assert sort_key("Щербань\u00a0Юрій") == sort_key("Щербань Юрій")
