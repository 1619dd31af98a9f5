"""Wrong settings are refused at the start, each by its name, and the documentation lists them all."""

from pathlib import Path

import pytest

from leadline.settings import SettingsError, describe_settings, load_settings

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, _, _ in describe_settings():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("LEADLINE_ENV_FILE", raising=False)


def test_defaults_are_whole() -> None:
    settings = load_settings()
    assert settings.panel_host == settings.fastagi_host == settings.ami_host == "127.0.0.1"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("LEADLINE_FASTAGI_PORT", "99999", "65535"),
        ("LEADLINE_FASTAGI_PORT", "many", "integer"),
        ("LEADLINE_REGION", "Ukraine", "country code"),
        ("LEADLINE_TIME_ZONE", "Kyiv", "tz database"),
        ("LEADLINE_DATABASE_URL", "mysql://x", "sqlite+aiosqlite"),
        ("LEADLINE_DATABASE_URL", "sqlite+aiosqlite:///", "names no file"),
        ("LEADLINE_DATABASE_URL", "postgresql+asyncpg://me:p@ss:word@:x/leadline", "special characters"),
        ("LEADLINE_PANEL_HOST", "", "must be an address"),
        ("LEADLINE_FASTAGI_HOST", " ", "must be an address"),
        ("LEADLINE_TRUNKS", "", "one trunk at least"),
        ("LEADLINE_FASTAGI_ALLOW", "", "one network at least"),
        ("LEADLINE_FASTAGI_ALLOW", "10.0.0.0/8,home", "home"),
        ("LEADLINE_TRUNKS", "PJSIP/a b", "channel pattern"),
        ("LEADLINE_NAME_LANGUAGE", "de", "'uk'"),
        ("LEADLINE_AMI_SECRET", "one\r\nAction: Originate", "line breaks"),
        ("LEADLINE_DEFAULT_EXTENSION", "101&PJSIP/102", "short number"),
        ("LEADLINE_PANEL_TLS_KEY", "/key.pem", "go together"),
        ("LEADLINE_PANEL_PROT", "1", "unknown setting"),
    ],
)
def test_a_wrong_setting_is_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert name in str(refused.value)
    assert reason in str(refused.value)


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "leadline.env"
    file.write_text("LEADLINE_PANEL_PORT=8100\nLEADLINE_REGION=nl\nLEADLINE_TRUNKS=SIP/a*, PJSIP/b*\n")
    monkeypatch.setenv("LEADLINE_ENV_FILE", str(file))
    monkeypatch.setenv("LEADLINE_PANEL_PORT", "8200")
    settings = load_settings()
    assert (settings.panel_port, settings.region, settings.trunks) == (8200, "NL", ("SIP/a*", "PJSIP/b*"))


def test_an_unknown_name_in_the_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "leadline.env"
    file.write_text("LEADLINE_PANEL_PROT=8100\n")
    with pytest.raises(SettingsError, match="LEADLINE_PANEL_PROT"):
        load_settings(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nowhere"):
        load_settings(tmp_path / "nowhere.env")


def test_all_wrong_settings_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADLINE_PANEL_PORT", "0")
    monkeypatch.setenv("LEADLINE_AMI_PORT", "0")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert {"LEADLINE_PANEL_PORT", "LEADLINE_AMI_PORT"} <= set(str(refused.value).replace(":", " ").split())


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADLINE_AMI_SECRET", "very-secret-word")
    assert "very-secret-word" not in repr(load_settings())


@pytest.mark.parametrize("row", describe_settings(), ids=lambda row: row[0])
def test_documentation_names_each_setting(row: tuple[str, str, str]) -> None:
    name, default, meaning = row
    assert meaning
    assert f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |" in DOCUMENT.read_text().splitlines()
