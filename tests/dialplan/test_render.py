"""The Asterisk side is filled in completely, and nothing unsafe gets into it."""

import re
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from dialplan.render import SOURCE, AsteriskValues, RenderError, render_asterisk_conf

VALUES = AsteriskValues(
    ami_events_secret="events-secret",
    phone_secrets={"101": "secret-101", "102": "secret-102", "103": "secret-103"},
    sip_port=15060,
    company_number="+380441234567",
)


def test_every_file_is_written_and_every_value_filled_in(tmp_path: Path) -> None:
    render_asterisk_conf(tmp_path, VALUES)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in SOURCE.glob("*.conf")}
    for path in tmp_path.iterdir():
        assert not re.search(r"@[A-Z][A-Z0-9_]*@", path.read_text())
    pjsip = (tmp_path / "pjsip.conf").read_text()
    assert "bind = 127.0.0.1:15060\n" in pjsip
    assert "password = secret-102\n" in pjsip
    assert "permit = 127.0.0.1/255.255.255.255\n" in (tmp_path / "manager.conf").read_text()


def test_secrets_are_not_for_everybody(tmp_path: Path) -> None:
    render_asterisk_conf(tmp_path, VALUES)
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o007 == 0 for path in tmp_path.iterdir())


def test_the_control_account_exists_only_with_a_secret(tmp_path: Path) -> None:
    def live_lines() -> list[str]:
        lines = (tmp_path / "manager.conf").read_text().splitlines()
        return [line for line in lines if not line.startswith(";")]

    render_asterisk_conf(tmp_path, VALUES)
    assert "[leadline-control]" not in live_lines()
    assert "[leadline-events]" in live_lines()
    render_asterisk_conf(tmp_path, replace(VALUES, ami_control_secret="control-secret"))
    assert "[leadline-control]" in live_lines()
    assert "secret = control-secret" in live_lines()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ami_events_secret", "short"),
        ("ami_events_secret", "with;comment"),
        ("ami_events_secret", "line\nbreak-in-it"),
        ("ami_control_secret", "secret-\x00-nul"),
        ("phone_secrets", {"101": "secret-101", "102": "secret-102"}),
        ("sip_address", "0.0.0.0\n[evil]"),
        ("sip_address", "pbx.example.com"),
        ("sip_port", 0),
        ("ami_port", 65536),
        ("ami_permit", "everybody"),
        ("company_number", "044 ${SHELL(id)}"),
        ("fallback_plan", "P,20,0PJSIP/101,,"),
        ("fallback_plan", "L1||P,20,0PJSIP/101,,\nexten = s,1,System(id)"),
        ("fallback_plan", "L1|${SHELL(id)}|"),
        ("rtp_start", 20000),
    ],
)
def test_an_unsafe_value_is_refused_by_name_before_anything_is_written(
    tmp_path: Path, field: str, value: object
) -> None:
    with pytest.raises(RenderError, match=field):
        render_asterisk_conf(tmp_path, replace(VALUES, **{field: value}))
    assert list(tmp_path.iterdir()) == []


def test_a_refused_secret_is_not_shown() -> None:
    with pytest.raises(RenderError) as refused:
        render_asterisk_conf(Path(), replace(VALUES, ami_events_secret="hush;hush"))
    assert "hush" not in str(refused.value)


def test_ipv6_addresses_are_bracketed_where_a_port_follows(tmp_path: Path) -> None:
    render_asterisk_conf(tmp_path, replace(VALUES, sip_address="::1", fastagi_address="::1"))
    assert "bind = [::1]:15060\n" in (tmp_path / "pjsip.conf").read_text()
    assert "agi://[::1]:4573/route\n" in (tmp_path / "leadline-globals.conf").read_text()
