"""The house stands as long as imports go one way; a wrong arrow fails here, with the line that drew it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MAY_IMPORT = {
    "leads.domain": set(),
    "leads.store": {"leads.domain"},
    "leads.roster": {"leads.domain", "leads.store"},
    "leads.admin": {"leads.domain", "leads.store", "leads.roster"},
    "routing": {"leads.domain", "leads.store"},
    "dialplan": {"leads.domain", "leads.store", "routing"},
    "agi": {"leads.domain", "leads.store", "routing", "dialplan"},
    "ami_listener": {"leads.domain", "leads.store"},
    "leadline": {
        *("leads.domain", "leads.store", "leads.roster", "leads.admin"),
        *("routing", "dialplan", "agi", "ami_listener"),
    },
}
PURE = (
    "leads/domain",
    "leads/roster/texts.py",
    "leads/roster/grams.py",
    "leads/roster/finding.py",
    "routing",
    "dialplan/plan.py",
    "dialplan/names.py",
    "agi/protocol.py",
    "ami_listener/wire.py",
    "ami_listener/tracker.py",
)
OUR_TOPS = {name.split(".")[0] for name in MAY_IMPORT}


def package_of(module: str) -> str | None:
    """The house's room that a module lives in, or None for the world outside."""
    parts = module.split(".")
    if parts[0] not in OUR_TOPS:
        return None
    return ".".join(parts[:2]) if parts[0] == "leads" and len(parts) > 1 else parts[0]


def sources() -> list[Path]:
    return sorted(path for top in OUR_TOPS for path in (ROOT / top).rglob("*.py"))


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            if node.module == "leads":
                yield from ((node.lineno, f"leads.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module


def wrong_arrows(path: Path) -> list[str]:
    room = package_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    if room not in MAY_IMPORT:
        return []
    allowed = MAY_IMPORT[room] | {room}
    found = ((line, module, package_of(module)) for line, module in imports_of(path))
    place = path.relative_to(ROOT)
    return [f"{place}:{line} imports {module}" for line, module, room in found if room and room not in allowed]


def test_imports_go_one_way() -> None:
    assert [arrow for path in sources() for arrow in wrong_arrows(path)] == []


def test_a_wrong_arrow_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MAY_IMPORT, "routing", set())
    assert any("routing" in arrow for path in sources() for arrow in wrong_arrows(path))


@pytest.mark.parametrize("place", PURE)
def test_cores_do_no_io(place: str) -> None:
    path = ROOT / place
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    assert files
    banned = {"asyncio", "sqlalchemy", "aiohttp", "socket", "sqlite3", "panoramisk", "asterisk"}
    found = [f"{f.name}:{line} {m}" for f in files for line, m in imports_of(f) if m.split(".")[0] in banned]
    assert found == []
