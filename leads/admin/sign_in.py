"""Signing in and out, and a person's own preferences."""

import ipaddress
import re
from datetime import timedelta
from functools import lru_cache
from zoneinfo import available_timezones

from aiohttp import web

from leads.admin.context import USUAL_CARD_KEY, Panel, panel_of, public, viewer_of
from leads.admin.forms import Form, Query
from leads.admin.guard import form_of, session_cookie
from leads.admin.i18n import LANGUAGES, _, ngettext
from leads.admin.passwords import TooBusyError
from leads.admin.refusals import strange_form
from leads.admin.rendering import redirect, render
from leads.admin.sessions import shown_sessions, signed_out
from leads.admin.stand_ins import said_of_stand_in
from leads.store import access, audit

_KEY = re.compile(
    r"(?=Ctrl|Alt|Meta)(?:Ctrl\+)?(?:Alt\+)?(?:Shift\+)?(?:Meta\+)?[A-Z0-9]|(?:Shift\+)?F(?:[1-9]|1[0-2])"
)
"""A letter or digit with Ctrl, Alt or Meta, or a function key: a letter alone would keep people from typing it."""

routes = web.RouteTableDef()


@routes.get("/sign-in")
@public
async def sign_in_page(request: web.Request) -> web.Response:
    """Ask for login and password."""
    form = Form.filled(next=_local_path(Query(request).text("next", 2000)))
    return render(request, "sign_in.html", form=form)


@routes.post("/sign-in")
@public
async def sign_in(request: web.Request) -> web.Response:
    """Check login and password, and begin a session under a new id."""
    panel = panel_of(request)
    form = form_of(request)
    login = form.text("login", required=True, longest=100).lower()
    password = form.value("password")
    if not password:
        form.fail("password", _("Fill this in."))
    if form.errors:
        return render(request, "sign_in.html", status=422, form=form)
    address = address_of(request, panel.behind_proxy)
    wait = panel.throttle.wait(login, address)
    if wait:
        return _refuse_for_now(request, form, wait)
    found = await _whose(panel, login, address, password)
    token = None if found is None else await _begin_session(request, *found, address)
    if token is None:
        form.fail("password", _("Login or password is wrong."))
        return render(request, "sign_in.html", status=422, form=form)
    panel.throttle.succeeded(login, address)
    response = redirect(request, _local_path(form.value("next")) or "/live")
    response.set_cookie(
        session_cookie(panel.secure),
        token,
        max_age=int(access.LONGEST_SESSION.total_seconds()),
        httponly=True,
        samesite="Lax",
        secure=panel.secure,
        path="/",
    )
    return response


async def _begin_session(request: web.Request, employee_id: int, password_hash: str, address: str) -> str | None:
    """A session in place of the browser's old one; None where the password was changed since it was checked."""
    panel = panel_of(request)
    old = request.cookies.get(session_cookie(panel.secure))
    async with panel.database.write() as session:
        if not await access.holds_password(session, employee_id, password_hash):
            return None
        if old:
            await access.end_session(session, access.session_hash(old))
        agent = _printable(request.headers.get("User-Agent", ""))
        token = await access.open_session(session, employee_id, panel.clock(), agent)
        await audit.note_sign_in(session, employee_id, address, panel.clock())
    return token


@routes.post("/sign-out")
async def sign_out(request: web.Request) -> web.Response:
    """End this browser's session, and its live pages with it."""
    panel = panel_of(request)
    viewer = viewer_of(request)
    async with panel.database.write() as session:
        await access.end_session(session, viewer.session_hash)
    panel.check_sessions()
    return signed_out(request)


@routes.get("/me")
async def preferences(request: web.Request) -> web.Response:
    """A person's own language, time zone, key and password."""
    viewer = viewer_of(request)
    zone = viewer.zone.key if viewer.zone != panel_of(request).zone else ""
    return await preferences_page(
        request, Form.filled(language=viewer.language, time_zone=zone, card_key=viewer.card_key)
    )


@routes.post("/me")
async def save_preferences(request: web.Request) -> web.Response:
    """Keep language, time zone and the key that opens a caller's card."""
    form = form_of(request)
    language, zone = form.value("language"), form.value("time_zone")
    if language and language not in LANGUAGES:
        raise strange_form()
    if zone and zone not in available_timezones():
        form.fail("time_zone", _("No such time zone."))
    key = form.value("card_key").replace(" ", "") or USUAL_CARD_KEY
    if not _KEY.fullmatch(key):
        form.fail("card_key", _("A key is written as Ctrl+Q, Alt+Shift+C or F9."))
    if form.errors:
        return await preferences_page(request, form, status=422)
    own_key = None if key == USUAL_CARD_KEY else key
    async with panel_of(request).database.write() as session:
        await access.save_preferences(session, viewer_of(request).id, language or None, zone or None, own_key)
    return redirect(request, "/me", flash=_("Saved."))


@routes.post("/me/password")
async def change_password(request: web.Request) -> web.Response:
    """Change one's own password, knowing the old one; other browsers are signed out."""
    panel, viewer, form = panel_of(request), viewer_of(request), form_of(request)
    address = address_of(request, panel.behind_proxy)
    wait = panel.throttle.wait(viewer.login, address)
    if wait:
        form.fail("old_password", waiting_text(wait))
        return await preferences_page(request, form, status=429)
    new = new_password(form, "new_password")
    if not form.errors:
        found = await _whose(panel, viewer.login, address, form.value("old_password"))
        if found is None or found[0] != viewer.id:
            form.fail("old_password", _("This is not your password."))
    if form.errors:
        return await preferences_page(request, form, status=422)
    panel.throttle.succeeded(viewer.login, address)
    hashed = await panel.passwords.hash(new)
    async with panel.database.write() as session:
        await access.keep_password_hash(session, viewer.id, hashed, but_session=viewer.session_hash)
    panel.check_sessions()
    return redirect(request, "/me", flash=_("Your password is changed. Other browsers are signed out."))


async def _whose(panel: Panel, login: str, address: str, password: str) -> tuple[int, str] | None:
    """The key and the hash of whose login and password these are; each attempt counts, unless it is refused unheard.

    Raises:
        TooBusyError: so many passwords wait to be looked at that this one was not.
    """
    panel.passwords.refuse_if_full()
    panel.throttle.count(login, address)
    async with panel.database.read() as session:
        found = await access.find_password_hash(session, login)
    try:
        right = await panel.passwords.verify(found[1] if found else None, password[: access.LONGEST_PASSWORD + 1])
    except TooBusyError:
        panel.throttle.take_back(login, address)
        raise
    return found if right else None


def new_password(form: Form, name: str) -> str:
    """A password that somebody chose, with a message when it is too easy to guess."""
    password = form.value(name)
    try:
        access.check_password(password)
    except access.AccessError:
        lengths = {"low": access.SHORTEST_PASSWORD, "high": access.LONGEST_PASSWORD}
        form.fail(name, _("From %(low)s to %(high)s characters.", **lengths))
    form.checked_text(name, password, longest=access.LONGEST_PASSWORD)
    return password


def address_of(request: web.Request, behind_proxy: bool) -> str:
    """Where a request comes from, for counting: an IPv6 network counts as one, since one person has all of it.

    Behind our own proxy that is what the proxy appended last to X-Forwarded-For; what stands before it is invented.
    """
    said = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip() if behind_proxy else ""
    try:
        address = ipaddress.ip_address(said or request.remote or "")
    except ValueError:
        return request.remote or "?"
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def waiting_text(wait: timedelta) -> str:
    """Say how long to wait."""
    seconds = int(wait.total_seconds()) + 1
    if seconds < 60:
        return ngettext(
            "Too many wrong attempts. Try again in %(count)s second.",
            "Too many wrong attempts. Try again in %(count)s seconds.",
            seconds,
        )
    return ngettext(
        "Too many wrong attempts. Try again in %(count)s minute.",
        "Too many wrong attempts. Try again in %(count)s minutes.",
        -(-seconds // 60),
    )


def _refuse_for_now(request: web.Request, form: Form, wait: timedelta) -> web.Response:
    form.fail("password", waiting_text(wait))
    response = render(request, "sign_in.html", status=429, form=form)
    response.headers["Retry-After"] = str(int(wait.total_seconds()) + 1)
    return response


@lru_cache(maxsize=1)
def _zone_choices() -> list[tuple[str, str]]:
    """The time zones to choose from; to find them means to open a file for each."""
    zones = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "posix/")))
    return [(zone, zone) for zone in zones]


async def preferences_page(request: web.Request, form: Form, status: int = 200) -> web.Response:
    """A person's own page: away, language, time zone, key, password and sessions."""
    panel: Panel = panel_of(request)
    himself = panel.directory.current.employees.get(viewer_of(request).id)
    return render(
        request,
        "me.html",
        status=status,
        form=form,
        zones=_zone_choices(),
        company_zone=panel.zone.key,
        sessions=await shown_sessions(request),
        duty=himself.duty if himself else None,
        stand_in=said_of_stand_in(panel, viewer_of(request).id),
        now=panel.clock(),
    )


def _local_path(path: str) -> str:
    """A path within the panel, or nothing: a link to sign in must not lead to another site afterwards."""
    if path.startswith("/") and not path.startswith(("//", "/\\", "/sign-")) and path.isprintable():
        return path
    return ""


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:200]
