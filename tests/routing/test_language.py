"""Which language a name is read in (C6): the card's own, else telling letters, else the installation's."""

import pytest

from routing.language import language_of


@pytest.mark.parametrize(
    ("name", "own", "default", "language"),
    [
        ("Ольга", None, "uk", "uk"),
        ("Ольга", None, "ru", "ru"),
        ("Ольга", "ru", "uk", "ru"),
        ("Гаврилів", "ru", "uk", "ru"),
        ("Гаврилів", None, "ru", "uk"),
        ("Рыжов", None, "uk", "ru"),
        ("РЫЖОВ", None, "uk", "ru"),
        ("Рыжов / Гаврилів", None, "uk", "uk"),
        ("Рыжов / Гаврилів", None, "ru", "ru"),
        ("Българ", None, "other", "other"),
        ("Българ", "ru", "other", "ru"),
        ("Ольга", None, None, None),
        ("John", None, "uk", "uk"),
    ],
)
def test_who_tells_the_language(name: str, own: str | None, default: str | None, language: str | None) -> None:
    assert language_of(name, own, default) == language
