"""What `leadline check` finds, for people and for programs."""

from dataclasses import asdict, dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is."""

    GOOD = "good"
    NOTE = "note"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found; `mend` says what to do about it."""

    name: str
    level: Level
    detail: str
    mend: str = ""

    @property
    def is_trouble(self) -> bool:
        """Whether something must be mended."""
        return self.level is Level.TROUBLE

    def as_text(self) -> str:
        """One or two lines for people."""
        mark = {Level.GOOD: "ok  ", Level.NOTE: "note", Level.TROUBLE: "FAIL"}[self.level]
        return f"{mark}  {self.name}: {self.detail}" + (f"\n      → {self.mend}" if self.mend else "")

    def as_json(self) -> dict[str, str]:
        """The same for programs."""
        return asdict(self)


def trouble(name: str, detail: str, mend: str) -> Finding:
    """Something that must be mended."""
    return Finding(name, Level.TROUBLE, detail, mend)
