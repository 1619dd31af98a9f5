"""Wrong settings are refused at the start, each by its name, and the documentation lists them all."""

from pathlib import Path

import pytest

from leadline.settings import SettingsError, describe_settings, load_settings, settings_of_one

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
        ("LEADLINE_RECORDINGS_FOLDER", "/var/spool\x01", "must be a path"),
        ("LEADLINE_PANEL_PROT", "1", "unknown setting"),
        ("LEADLINE_PBX_NAMES", "kyiv,lviv office", "letters, digits"),
        ("LEADLINE_PBX_NAMES", "lviv,Lviv", "alike"),
        ("LEADLINE_PBX_NAMES", "lviv-1,lviv_1", "alike"),
        ("LEADLINE_PBX_LVIV_AMI_PORT", "5038", "unknown setting"),
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


def test_a_file_or_folder_that_is_set_to_nothing_is_none_and_not_the_present_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ("recordings_folder", "ami_tls_ca", "panel_tls_certificate", "panel_tls_key")
    for name in names:
        monkeypatch.setenv(f"LEADLINE_{name.upper()}", "")
    settings = load_settings()
    assert [getattr(settings, name) for name in names] == [None] * 4


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


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "leadline.env"
    file.write_bytes(b"LEADLINE_REGION=\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"leadline\.env: the settings file cannot be read"):
        load_settings(file)


def test_all_wrong_settings_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADLINE_PANEL_PORT", "0")
    monkeypatch.setenv("LEADLINE_AMI_PORT", "0")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert {"LEADLINE_PANEL_PORT", "LEADLINE_AMI_PORT"} <= set(str(refused.value).replace(":", " ").split())


def test_one_asterisk_needs_no_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADLINE_PBX_NAME", "kyiv")
    monkeypatch.setenv("LEADLINE_AMI_PORT", "5040")
    assert [(pbx.pbx_name, pbx.ami_port) for pbx in load_settings().pbxes] == [("kyiv", 5040)]


def test_each_of_several_asterisks_has_what_is_set_for_it_else_what_is_set_for_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "leadline.env"
    file.write_text(
        "LEADLINE_PBX_NAMES=kyiv, lviv-2\nLEADLINE_AMI_SECRET=of-all\nLEADLINE_TRUNKS=PJSIP/line*\n"
        "LEADLINE_PBX_LVIV_2_AMI_HOST=192.0.2.7\nLEADLINE_PBX_LVIV_2_AMI_PORT=5041\nLEADLINE_PBX_LVIV_2_TRUNKS=SIP/a*\n"
        "LEADLINE_PBX_LVIV_2_FASTAGI_ALLOW=192.0.2.7/32,192.0.2.8/32\n"
    )
    monkeypatch.setenv("LEADLINE_PBX_LVIV_2_AMI_PORT", "5042")
    settings = load_settings(file)
    kyiv, lviv = settings.pbxes
    assert (kyiv.pbx_name, kyiv.ami_host, kyiv.ami_port, kyiv.trunks) == ("kyiv", "127.0.0.1", 5038, ("PJSIP/line*",))
    assert (lviv.pbx_name, lviv.ami_host, lviv.ami_port, lviv.trunks) == ("lviv-2", "192.0.2.7", 5042, ("SIP/a*",))
    assert kyiv.ami_secret.get_secret_value() == lviv.ami_secret.get_secret_value() == "of-all"
    assert lviv.fastagi_allow == ("192.0.2.7/32", "192.0.2.8/32")
    assert settings.pbx_name == "kyiv"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("LEADLINE_PBX_LVIV_AMI_PORT", "0", "greater than"),
        ("LEADLINE_PBX_LVIV_AMI_SECRET", "one\r\ntwo", "line breaks"),
        ("LEADLINE_PBX_LVIV_TRUNKS", "", "one trunk at least"),
        ("LEADLINE_PBX_LVIV_AMI_PROT", "1", "unknown setting"),
        ("LEADLINE_PBX_LVIV_PBX_NAME", "odesa", "unknown setting"),
        ("LEADLINE_PBX_LVIV_PANEL_PORT", "8089", "unknown setting"),
        ("LEADLINE_PBX_LVIV_AMI_PORT", "5038", "is kyiv's already"),
        ("LEADLINE_PBX_NAME", "odesa", "one of LEADLINE_PBX_NAMES"),
        ("LEADLINE_CEL_SOURCE", "csv:/var/log/asterisk/cel-custom/leadline.csv", "LVIV_CEL_SOURCE: is kyiv's already"),
        ("LEADLINE_RECORDINGS_FOLDER", "/recordings", "LVIV_RECORDINGS_FOLDER: is kyiv's already"),
    ],
)
def test_a_wrong_setting_of_one_of_several_asterisks_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv("LEADLINE_PBX_NAMES", "kyiv,lviv")
    monkeypatch.setenv("LEADLINE_PBX_LVIV_AMI_HOST", "127.0.0.1")
    monkeypatch.setenv("LEADLINE_PBX_LVIV_AMI_PORT", "5039")
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert name.removeprefix("LEADLINE_").removeprefix("PBX_LVIV_") in str(refused.value)
    assert reason in str(refused.value)


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADLINE_AMI_SECRET", "very-secret-word")
    assert "very-secret-word" not in repr(load_settings())


@pytest.mark.parametrize("row", describe_settings(), ids=lambda row: row[0])
def test_documentation_names_each_setting(row: tuple[str, str, str]) -> None:
    name, default, meaning = row
    assert meaning
    assert f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |" in DOCUMENT.read_text().splitlines()


def test_documentation_names_what_can_be_set_for_one_asterisk() -> None:
    assert {f"- `{name}`" for name in settings_of_one()} <= set(DOCUMENT.read_text().splitlines())
