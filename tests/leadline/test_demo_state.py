"""One demonstration at a time; its secrets are private and stay; others find it while it runs and not after."""

import json
import os
from pathlib import Path

import pytest

from leadline.demo.state import DemoError, Running, announce, find_running, keep_secrets, only_run, running_settings
from leadline.settings import load_settings

SETTINGS = {"LEADLINE_AMI_SECRET": "it's a \\ secret # not a comment", "LEADLINE_DEFAULT_EXTENSION": "103"}
RUNNING = Running("127.0.0.1", 5060, "http://127.0.0.1:8088/", "sqlite+aiosqlite:///x", "UA", "/run/asterisk.ctl", "")


def test_a_second_run_is_refused_with_the_number_of_the_first(tmp_path: Path) -> None:
    with only_run(tmp_path / "var"):
        with pytest.raises(DemoError, match=rf"process {os.getpid()}"), only_run(tmp_path / "var"):
            pass
        with pytest.raises(DemoError, match="running already"), only_run(tmp_path / "var"):
            pass
    with only_run(tmp_path / "var"):
        pass


def test_others_find_the_demonstration_only_while_it_runs(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="make run"):
        find_running(tmp_path)
    with only_run(tmp_path):
        with pytest.raises(DemoError, match="make run"):
            find_running(tmp_path)
        announce(tmp_path, RUNNING, SETTINGS)
        assert find_running(tmp_path) == RUNNING
    with pytest.raises(DemoError, match="make run"):
        find_running(tmp_path)


def test_its_settings_are_there_only_while_it_runs_and_for_this_user_alone(tmp_path: Path) -> None:
    with only_run(tmp_path):
        assert running_settings(tmp_path) is None
        announce(tmp_path, RUNNING, SETTINGS)
        file = running_settings(tmp_path)
        assert file is not None
        assert file.stat().st_mode & 0o777 == 0o600
        settings = load_settings(file)
        assert settings.ami_secret.get_secret_value() == SETTINGS["LEADLINE_AMI_SECRET"]
        assert settings.default_extension == "103"
    assert running_settings(tmp_path) is None
    assert not file.exists()


def test_what_a_killed_run_left_behind_is_not_taken_for_a_running_one(tmp_path: Path) -> None:
    with only_run(tmp_path):
        announce(tmp_path, RUNNING, SETTINGS)
        left = (tmp_path / "running.json").read_text()
    (tmp_path / "running.json").write_text(left)
    with pytest.raises(DemoError, match="make run"):
        find_running(tmp_path)


def test_secrets_are_private_different_and_the_same_the_next_day(tmp_path: Path) -> None:
    first = keep_secrets(tmp_path)
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert keep_secrets(tmp_path) == first
    assert len({first.ami_events, first.ami_control, *first.phones.values()}) == 5


def test_damaged_secrets_are_named_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text(json.dumps({"phones": {}}))
    with pytest.raises(DemoError, match=r"secrets\.json is damaged; delete it"):
        keep_secrets(tmp_path)
