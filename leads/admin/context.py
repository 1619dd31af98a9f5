"""What every handler works with: the panel's collaborators, and the person who asks."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from gettext import NullTranslations
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

from aiohttp import web

from leads.admin.assets import Assets
from leads.admin.entrance import Entrance
from leads.admin.passwords import Passwords
from leads.admin.throttle import Throttle
from leads.domain.clock import Clock
from leads.domain.directory import Role
from leads.domain.visibility import Scope, answers_for_others

if TYPE_CHECKING:
    from leads.admin.asterisks import Asterisks
    from leads.admin.dialling import Dialling
    from leads.admin.handover_runner import Handovers
    from leads.admin.import_runner import Imports
    from leads.admin.live import LiveCalls
    from leads.admin.phone_books import PhoneBooks
    from leads.admin.questions import Questions
    from leads.admin.recordings import Recordings
    from leads.admin.route_trial import RouteTrial
    from leads.admin.sent_forms import SentForms
    from leads.roster.roster import LeadRoster
    from leads.store.directory import DirectoryCache
    from leads.store.engine import Database
    from leads.store.long_reads import LongReads


@dataclass(frozen=True, slots=True)
class Viewer:
    """The signed-in person behind a request.

    `scope` is whose leads and calls he may see, `may_export` whether he may take lists away as files; see
    leads.domain.visibility. `card_key` opens the card of whom he talks with, as in Ctrl+Q.
    """

    id: int
    name: str
    login: str
    role: Role
    language: str | None
    zone: ZoneInfo
    csrf_token: str
    session_hash: str
    scope: Scope
    card_key: str
    may_export: bool = False

    @property
    def is_admin(self) -> bool:
        """Whether he may change the company's set-up."""
        return self.role is Role.ADMIN

    @property
    def answers_for_others(self) -> bool:
        """Whether he looks after others' work."""
        return answers_for_others(self.role)

    def may(self, access: "Access") -> bool:
        """Whether he may call handlers with this mark."""
        match access:
            case Access.SUPERVISOR:
                return self.answers_for_others
            case Access.EXPORT:
                return self.may_export
            case Access.ADMIN:
                return self.is_admin
            case _:
                return True


@dataclass(frozen=True, slots=True)
class Panel:
    """The collaborators of the panel, made once by `create_panel`."""

    database: "Database"
    directory: "DirectoryCache"
    roster: "LeadRoster"
    live: "LiveCalls"
    questions: "Questions"
    zone: ZoneInfo
    region: str
    secure: bool
    behind_proxy: bool
    clock: Clock
    assets: Assets
    catalogs: dict[str, NullTranslations]
    entrance: Entrance
    passwords: Passwords
    throttle: Throttle
    dialling: "Dialling"
    recordings: "Recordings"
    asterisks: "Asterisks"
    long_reads: "LongReads"
    route_trial: "RouteTrial | None"
    imports: "Imports"
    handovers: "Handovers"
    phone_books: "PhoneBooks"
    sent_forms: "SentForms"

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


class Access(Enum):
    """Who may call a handler; without a mark, everybody who is signed in."""

    PUBLIC = "public"
    SIGNED_IN = "signed in"
    SUPERVISOR = "supervisor"
    EXPORT = "export"
    ADMIN = "admin"


_MARK = "leadline_access"
Handler = TypeVar("Handler", bound=Callable[..., object])


def public(handler: Handler) -> Handler:
    """Let a handler answer people who are not signed in."""
    setattr(handler, _MARK, Access.PUBLIC)
    return handler


def supervisor_only(handler: Handler) -> Handler:
    """Keep a handler for those who look after others' work; what it shows is still of their groups only (`scope`)."""
    setattr(handler, _MARK, Access.SUPERVISOR)
    return handler


def export_only(handler: Handler) -> Handler:
    """Keep a handler for those with the right to export; what it gives out is still of the viewer's `scope` only."""
    setattr(handler, _MARK, Access.EXPORT)
    return handler


def admin_only(handler: Handler) -> Handler:
    """Keep a handler for administrators; others get a page that says so."""
    setattr(handler, _MARK, Access.ADMIN)
    return handler


def access_of(handler: object) -> Access:
    """The mark that a handler carries."""
    mark = getattr(handler, _MARK, Access.SIGNED_IN)
    return mark if isinstance(mark, Access) else Access.SIGNED_IN


_FILE_MARK = "leadline_takes_file"


def with_file(handler: Handler) -> Handler:
    """Let a handler take a form with a file, which it reads as it comes; other forms reach it as ever."""
    setattr(handler, _FILE_MARK, True)
    return handler


def takes_file(handler: object) -> bool:
    """Whether a handler takes a form with a file."""
    return bool(getattr(handler, _FILE_MARK, False))
