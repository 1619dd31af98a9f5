"""What every handler works with: the panel's collaborators, and the person who asks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from gettext import NullTranslations
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

from aiohttp import web

from leads.admin.assets import Assets
from leads.admin.passwords import Passwords
from leads.admin.throttle import Throttle
from leads.domain.directory import Directory, Role

if TYPE_CHECKING:
    from leads.admin.asterisks import Asterisks
    from leads.admin.dialling import Dialling
    from leads.admin.live import LiveCalls
    from leads.admin.questions import Questions
    from leads.admin.recordings import Recordings
    from leads.admin.route_trial import RouteTrial
    from leads.store.directory import DirectoryCache
    from leads.store.engine import Database

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Viewer:
    """The signed-in person behind a request.

    `scope` holds the employees whose leads and calls he may see, himself among them; None means everybody's.
    `card_key` opens the card of whom he talks with, as in Ctrl+Q.
    """

    id: int
    name: str
    login: str
    role: Role
    language: str | None
    zone: ZoneInfo
    csrf_token: str
    session_hash: str
    scope: frozenset[int] | None
    card_key: str

    @property
    def is_admin(self) -> bool:
        """Whether he may change the company's set-up."""
        return self.role is Role.ADMIN


@dataclass(frozen=True, slots=True)
class Panel:
    """The collaborators of the panel, made once by `create_panel`."""

    database: "Database"
    directory: "DirectoryCache"
    live: "LiveCalls"
    questions: "Questions"
    zone: ZoneInfo
    region: str
    secure: bool
    behind_proxy: bool
    clock: Clock
    assets: Assets
    catalogs: dict[str, NullTranslations]
    passwords: Passwords
    throttle: Throttle
    dialling: "Dialling"
    recordings: "Recordings"
    asterisks: "Asterisks"
    route_trial: "RouteTrial | None"

    def check_sessions(self) -> None:
        """Let each open page make sure at once that its session is still valid."""
        self.live.check_sessions()
        self.questions.streams.check_sessions()


USUAL_CARD_KEY = "Ctrl+Q"

PANEL: web.AppKey[Panel] = web.AppKey("panel", Panel)
VIEWER: web.RequestKey[Viewer] = web.RequestKey("viewer", Viewer)


def panel_of(request: web.Request) -> Panel:
    """The panel that serves `request`."""
    return request.app[PANEL]


def viewer_of(request: web.Request) -> Viewer:
    """The signed-in person who sent `request`; the middleware let nobody else through."""
    return request[VIEWER]


def scope_of(employee_id: int, role: Role, directory: Directory) -> frozenset[int] | None:
    """Whose leads and calls this person may see: an administrator everybody's, a supervisor those of his groups."""
    if role is Role.ADMIN:
        return None
    seen = {employee_id}
    if role is Role.SUPERVISOR:
        for group in directory.groups.values():
            members = {extension.employee_id for extension in group.extensions}
            if employee_id in members:
                seen.update(member for member in members if member is not None)
    return frozenset(seen)


class Access(Enum):
    """Who may call a handler; without a mark, everybody who is signed in."""

    PUBLIC = "public"
    SIGNED_IN = "signed in"
    ADMIN = "admin"


_MARK = "leadline_access"
Handler = TypeVar("Handler", bound=Callable[..., object])


def public(handler: Handler) -> Handler:
    """Let a handler answer people who are not signed in."""
    setattr(handler, _MARK, Access.PUBLIC)
    return handler


def admin_only(handler: Handler) -> Handler:
    """Keep a handler for administrators; others get a page that says so."""
    setattr(handler, _MARK, Access.ADMIN)
    return handler


def access_of(handler: object) -> Access:
    """The mark that a handler carries."""
    mark = getattr(handler, _MARK, Access.SIGNED_IN)
    return mark if isinstance(mark, Access) else Access.SIGNED_IN
