"""The Asterisk tree is installed from the mirror that the machine itself uses, however apt was told of it."""

from pathlib import Path

import pytest

from leadline.demo import asterisk_root
from leadline.demo.asterisk_root import AptSource, RootError, debian_mirror, ensure_root, is_complete, read_apt_sources


def _apt(folder: Path, **files: str) -> Path:
    (folder / "sources.list.d").mkdir()
    for name, text in files.items():
        path = folder / "sources.list" if name == "main" else folder / "sources.list.d" / name.replace("_", ".")
        path.write_text(text)
    return folder


def test_reads_one_line_sources_with_options_and_comments(tmp_path: Path) -> None:
    apt = _apt(
        tmp_path,
        main=(
            "# deb http://commented.example/debian bookworm main\n"
            "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian/ bookworm main contrib # near\n"
            "deb-src http://mirror.example/debian bookworm main\n"
            "deb cdrom:[Debian]/ bookworm main\n"
            "deb http://short\n"
        ),
    )
    assert list(read_apt_sources(apt)) == [
        AptSource("http://mirror.example/debian/", ("bookworm",), ("main", "contrib"))
    ]


def test_reads_deb822_sources_with_folded_fields_and_several_stanzas(tmp_path: Path) -> None:
    apt = _apt(
        tmp_path,
        debian_sources=(
            "# a comment\nTypes: deb deb-src\n# another, inside\nURIs: https://mirror.example/debian\n"
            "Suites: bookworm\n  bookworm-updates\nComponents: main\nSigned-By:\n -----BEGIN\n .\n"
            "\n  \nEnabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: bookworm\nComponents: main\n"
            "\nTypes: deb-src\nURIs: http://source.example/debian\nSuites: bookworm\nComponents: main\n"
        ),
    )
    assert list(read_apt_sources(apt)) == [
        AptSource("https://mirror.example/debian", ("bookworm", "bookworm-updates"), ("main",))
    ]


def test_takes_the_mirror_of_the_release_and_not_that_of_another_vendor(tmp_path: Path) -> None:
    apt = _apt(
        tmp_path,
        aaa_list="deb http://vendor.example/apt nodistro main\ndeb http://security.example bookworm-security main\n",
        debian_sources="Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n",
    )
    assert debian_mirror(apt, "bookworm") == "http://mirror.example/debian"


def test_a_machine_without_a_debian_mirror_is_told_what_else_there_is(tmp_path: Path) -> None:
    with pytest.raises(RootError, match="Docker"):
        debian_mirror(_apt(tmp_path, main="deb http://ubuntu.example/ubuntu jammy main\n"), "bookworm")


def test_where_the_home_can_hold_no_tree_another_place_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(asterisk_root.os, "geteuid", lambda: 0)
    monkeypatch.setattr(asterisk_root, "debian_mirror", lambda: "http://mirror.example")
    monkeypatch.setattr(asterisk_root.shutil, "which", lambda _name: "/usr/sbin/debootstrap")
    with pytest.raises(RootError, match=r"home/leadline: Not a directory; .*XDG_CACHE_HOME="):
        ensure_root()


def test_a_build_that_broke_off_is_cleared_away_and_never_taken_for_a_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache = tmp_path / "leadline"
    leftover = cache / "asterisk-forky.building-old"
    (leftover / "usr/sbin").mkdir(parents=True)
    (leftover / "usr/sbin/asterisk").touch()

    def breaks_off(target: Path, _mirror: str, _say: object) -> None:
        (target / "half").touch()
        raise RootError("the network went away")

    monkeypatch.setattr(asterisk_root, "_debootstrap", breaks_off)
    monkeypatch.setattr(asterisk_root.os, "geteuid", lambda: 0)
    monkeypatch.setattr(asterisk_root, "debian_mirror", lambda: "http://mirror.example")
    monkeypatch.setattr(asterisk_root.shutil, "which", lambda _name: "/usr/sbin/debootstrap")
    with pytest.raises(RootError, match="went away"):
        ensure_root(say=lambda _text: None)
    assert list(cache.iterdir()) == []
    assert not is_complete(asterisk_root.root_path())


def test_only_root_can_build_and_others_are_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(asterisk_root.os, "geteuid", lambda: 1000)
    with pytest.raises(RootError, match="as root"):
        ensure_root(say=lambda _text: None)
