"""The company as routing sees it: employees, their phones, groups and our numbers, as one immutable value.

It is small (hundreds of rows) and changes rarely, so it is read whole and kept in memory under a version; the callers
(millions) are looked up one by one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from leads.domain.duty import Duty
from leads.domain.recordings import RecordingRule


class DisplayMode(StrEnum):
    """What a phone's display can draw."""

    LATIN = "latin"
    UTF8 = "utf8"
    OFF = "off"


class Role(StrEnum):
    """What an employee may do in the panel."""

    EMPLOYEE = "employee"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Extension:
    """One phone: its short number, the Asterisk endpoint behind it, and what its display can show."""

    number: str
    endpoint: str
    display_mode: DisplayMode
    display_length: int
    employee_id: int | None


@dataclass(frozen=True, slots=True)
class Employee:
    """One person who takes calls. `ring_seconds` is how long his phones ring before the chain goes on."""

    id: int
    name: str
    active: bool
    ring_seconds: int
    call_waiting: bool
    extensions: tuple[Extension, ...]
    mobiles: tuple[str, ...] = ()
    duty: Duty = field(default_factory=Duty)


@dataclass(frozen=True, slots=True)
class Group:
    """Phones that ring together."""

    id: int
    name: str
    ring_seconds: int
    extensions: tuple[Extension, ...]


@dataclass(frozen=True, slots=True)
class Did:
    """One of our numbers and where its calls go: a queue or a group, then the default extension.

    `responsible_id` is the employee who owns the lead of a missed call to this number. `channel` and `source_id` say
    what made people call it. `greeting_language` is in which its callers hear announcements, as Asterisk names its
    sounds; empty: Asterisk's own choice.
    """

    number: str
    label: str
    group_id: int | None
    queue: str | None
    queue_seconds: int
    default_extension: str | None
    responsible_id: int | None
    channel: str = ""
    source_id: int | None = None
    greeting_language: str = ""


@dataclass(frozen=True, slots=True)
class Directory:
    """A consistent picture of the company at one version; on `holidays`, which have names, nobody is on duty."""

    version: int
    employees: Mapping[int, Employee] = field(default_factory=dict)
    extensions: Mapping[str, Extension] = field(default_factory=dict)
    groups: Mapping[int, Group] = field(default_factory=dict)
    dids: Mapping[str, Did] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    recording: RecordingRule = field(default_factory=RecordingRule)
    holidays: Mapping[date, str] = field(default_factory=dict)
