"""The parts of the roster are what the plainest code gives, for any texts."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from leads.roster.grams import Grams
from leads.roster.texts import Texts

LETTERS = st.characters(codec="utf-8", exclude_characters="\0")
LISTS = st.lists(st.text("абвєїab +0", max_size=30) | st.text(LETTERS, max_size=20), max_size=40)


def _texts(texts: list[str]) -> Texts:
    pieces = [text.encode() for text in texts]
    return Texts(pieces, np.array([len(piece) for piece in pieces], np.uint32))


@given(LISTS)
@example([""])
@example(["щербань оля", "щербань", "щербань о", "щербань", "\U0001f600", "\uffee+380"])
def test_texts_are_kept_and_go_by_code_points_and_then_by_their_places(texts: list[str]) -> None:
    kept = _texts(texts)
    assert [kept[place].decode() for place in range(len(texts))] == texts
    assert kept.order().tolist() == sorted(range(len(texts)), key=lambda place: (texts[place], place))


@given(
    LISTS, st.lists(st.text("абab 0", min_size=3, max_size=3) | st.text(LETTERS, min_size=3, max_size=3), min_size=1)
)
@example(["  щербань", "щерба", "бань"], ["щер", "рба"])
@example(["ab", "cd"], ["abc"])
def test_trigrams_are_found_where_they_are(texts: list[str], asked: list[str]) -> None:
    trigrams = ["абв", *asked[:1], *(text[:3] for text in texts[:2] if len(text) >= 3)][-2:]
    found = Grams(texts).find(trigrams).tolist()
    assert found == [place for place, text in enumerate(texts) if all(one in text for one in trigrams)]
