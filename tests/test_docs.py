"""What the documentation names exists: commands, targets, files, figures; and nothing in it is of one machine."""

import re
from pathlib import Path

import pytest
import typer.main

from leadline.cli import app

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "asterisk-conf").rglob("*.md")])
README = (ROOT / "README.md").read_text()


def commands() -> set[str]:
    group = typer.main.get_command(app)
    found = set(group.commands)  # type: ignore[attr-defined]
    return found | {f"admin {name}" for name in group.commands["admin"].commands}  # type: ignore[attr-defined]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_pictures_exist(document: Path) -> None:
    # Indented lines are code: Asterisk writes [101](+) there.
    prose = re.sub(r"^ {4}.*$", "", document.read_text(), flags=re.MULTILINE)
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", prose)
    missing = [t for t in targets if "://" not in t and not (document.parent / t).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_exist(document: Path) -> None:
    known = commands()
    named = set(re.findall(r"(?:`|bin/|^\s*)leadline ((?:admin )?[a-z-]+)", document.read_text(), re.MULTILINE))
    assert {name for name in named if name not in known} == set()


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", README, re.MULTILINE))
    assert named
    assert named <= targets


def test_every_command_is_in_the_readme() -> None:
    shown = {"serve", "migrate", "check", "route", "replay", "defaults", "agi", "admin"}
    assert {name for name in commands() if " " not in name} == shown | {"demo"}
    assert all(f"`leadline {name}" in README for name in shown)


def test_figures_exist() -> None:
    source = "".join(path.read_text() for path in (ROOT / "leadline").glob("*.py"))
    named = re.findall(r"`(leadline_[a-z_]+?)(?:_total)?(?:\{\w+\})?`", (ROOT / "docs" / "operation.md").read_text())
    assert named
    assert [name for name in named if f'"{name}"' not in source] == []


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs" / "decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
