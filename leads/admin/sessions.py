"""A person's signed-in browsers: which they are, and signing them out, one or all (X1)."""

import re
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from leads.admin.context import admin_only, panel_of, viewer_of
from leads.admin.forms import ID
from leads.admin.guard import form_of, session_cookie
from leads.admin.i18n import _
from leads.admin.refusals import strange_form
from leads.admin.rendering import redirect
from leads.store import access, audit

_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
"""Most browsers name others besides themselves; the first that is found is the one."""
_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)

_HASH = re.compile(r"[0-9a-f]{64}")

routes = web.RouteTableDef()


@dataclass(frozen=True, slots=True)
class ShownSession:
    """One signed-in browser; `key` names it in forms, `own` is the one that shows the page."""

    key: str
    browser: str
    created_at: datetime
    seen_at: datetime
    own: bool


async def shown_sessions(request: web.Request) -> list[ShownSession]:
    """The viewer's signed-in browsers, the one that asks first."""
    panel, viewer = panel_of(request), viewer_of(request)
    async with panel.database.read() as session:
        rows = await access.sessions_of(session, viewer.id, panel.clock())
    shown = [
        ShownSession(
            row.id_hash, browser_name(row.user_agent), row.created_at, row.seen_at, row.id_hash == viewer.session_hash
        )
        for row in rows
    ]
    return sorted(shown, key=lambda one: not one.own)


def browser_name(user_agent: str) -> str:
    """What people call a browser, by what it says of itself."""
    browser = next((name for sign, name in _BROWSERS if sign in user_agent), "")
    system = next((name for sign, name in _SYSTEMS if sign in user_agent), "")
    if browser and system:
        return _("%(browser)s on %(system)s", browser=browser, system=system)
    return browser or system or _("An unknown browser")


@routes.post("/me/sessions/end")
async def end_one(request: web.Request) -> web.Response:
    """Sign one browser of the viewer's out."""
    panel, viewer, key = panel_of(request), viewer_of(request), form_of(request).value("session")
    if not _HASH.fullmatch(key):
        raise strange_form()
    async with panel.database.write() as session:
        await access.end_session_of(session, viewer.id, key)
    panel.check_sessions()
    if key == viewer.session_hash:
        return signed_out(request)
    return redirect(request, "/me", flash=_("That browser is signed out."))


@routes.post("/me/sessions/end-all")
async def end_all(request: web.Request) -> web.Response:
    """Sign the viewer out everywhere, here too."""
    panel, viewer = panel_of(request), viewer_of(request)
    async with panel.database.write() as session:
        await access.end_sessions_of(session, viewer.id)
    panel.check_sessions()
    return signed_out(request)


@routes.post(f"/company/employees/{ID}/sign-out")
@admin_only
async def end_all_of(request: web.Request) -> web.Response:
    """Sign an employee out everywhere, as when a telephone of his is lost."""
    panel, employee_id = panel_of(request), int(request.match_info["id"])
    async with panel.database.write() as session:
        await access.end_sessions_of(session, employee_id)
        await audit.note(session, audit.What.SIGNED_OUT, "employee", employee_id)
    panel.check_sessions()
    if employee_id == viewer_of(request).id:
        return signed_out(request)
    return redirect(request, f"/company/employees/{employee_id}", flash=_("Signed out everywhere."))


def signed_out(request: web.Request) -> web.Response:
    """To the sign-in page, with the session's cookie taken away."""
    secure = panel_of(request).secure
    response = redirect(request, "/sign-in")
    response.del_cookie(session_cookie(secure), path="/", secure=secure, httponly=True, samesite="Lax")
    return response
