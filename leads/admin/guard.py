"""What each request passes before a handler sees it, and what each answer carries: limits, session, rights, forgery.

Order: the address is checked, the session read, the right asked, the form read and its token compared. Whatever is
refused on the way gets a page that says why, never a stack trace.
"""

import asyncio
import hmac
import re
import secrets
from collections.abc import Mapping
from socket import gaierror
from types import MappingProxyType
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

import structlog
from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from leads.admin import sent_forms
from leads.admin.context import (
    PANEL,
    USUAL_CARD_KEY,
    VIEWER,
    Access,
    Viewer,
    access_of,
    panel_of,
    takes_file,
)
from leads.admin.forms import Form, parse_fields
from leads.admin.i18n import N_, Locale, _, accepted_language, use_locale
from leads.admin.passwords import TooBusyError
from leads.admin.refusals import strange_form
from leads.admin.rendering import render, use_csrf_token
from leads.admin.typed_texts import typed_texts
from leads.domain.visibility import may_export, scope_of
from leads.store import access, audit

LARGEST_BODY = 256 * 1024
BODY_SECONDS = 15.0
LONGEST_QUERY = 4000
_FORM: web.RequestKey[Form] = web.RequestKey("form", Form)
_UPLOAD: web.RequestKey[MultipartReader] = web.RequestKey("upload", MultipartReader)
UNREADABLE_PARTS = (ValueError, AssertionError, HttpProcessingError)
"""What reading the parts of a form with a file raises when no browser wrote it."""
_SAFE = {"GET", "HEAD"}
_OUT_OF_REACH = (404, 409)
"""What answers a form whose own page cannot be shown again: the card is gone, or not the viewer's any more."""
_REFUSALS = {
    Access.SUPERVISOR: N_("Only supervisors and administrators can open this page."),
    Access.EXPORT: N_("You may not export. An administrator can give supervisors that right."),
    Access.ADMIN: N_("Only administrators can open this page."),
}
_TOO_LARGE = N_(
    "A form may have %(size)s KB, about 40 pages of text. Go back: what you typed is still there. "
    "Shorten it, and send it again."
)
_log = structlog.get_logger(__name__)

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "media-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Server": "Leadline",  # And not which versions of what it is made of.
}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Give every answer the headers that keep browsers from running, framing, sniffing or storing what they got."""
    restrict(response)


def restrict(response: web.StreamResponse) -> None:
    """Give one answer these headers."""
    response.headers.update(SECURITY_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")


def form_of(request: web.Request) -> Form:
    """The form that came with a POST, already checked for forgery."""
    return request[_FORM]


def upload_of(request: web.Request) -> MultipartReader | None:
    """What follows the token in a form with a file, to be read part by part; None when no file was sent."""
    return request.get(_UPLOAD)


def session_cookie(secure: bool) -> str:
    """The cookie's name; with __Host- browsers take it only from us, over TLS, for the whole site."""
    return "__Host-leadline" if secure else "leadline"


def visit_cookie(secure: bool) -> str:
    """The cookie that ties the sign-in form to one browser, before there is a session."""
    return "__Host-leadline-visit" if secure else "leadline-visit"


_DATABASE_AWAY = (DBAPIError, PoolTimeoutError, TimeoutError, ConnectionRefusedError, gaierror)
"""A PostgreSQL that is not there, or hangs, says nothing itself: whoever connects or waits fails as with any server."""


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request through to its handler, or answer with a page that says why not."""
    await panel_of(request).entrance.come_in()
    _speak(request, None)
    try:
        return await _admit(request, handler)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _error_page(request, error.status, error.text or "", error.headers)
    except _DATABASE_AWAY as error:
        _log.error("panel: database failed", path=_logged_path(request), error=str(error) or type(error).__name__)
        return _error_page(request, 503, _("The database does not answer. Try again in a moment."))
    except web.RequestPayloadError:
        return _error_page(request, 400, "")
    except ConnectionError:
        raise  # Who asked is gone; nobody is there to read a page.
    except TooBusyError:
        return _error_page(request, 503, _("Many people sign in at this moment. Try again in some seconds."))
    except Exception:
        _log.exception("panel: handler failed", path=_logged_path(request))
        return _error_page(request, 500, "")


def _logged_path(request: web.Request) -> str:
    """The address as the log may hold it: keys of phone books stand in theirs, and open them."""
    return re.sub(r"\A/phonebook/[^/]*", "/phonebook/…", request.path)


async def _admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    _check_address(request)
    needed = access_of(request.match_info.handler)
    if request.path.startswith("/static/"):
        return await handler(request)
    if request.path.startswith("/phonebook/"):
        return await _answer_phone(request, handler)
    viewer = await find_viewer(request)
    _speak(request, viewer)
    if viewer is None and needed is not Access.PUBLIC:
        return _ask_to_sign_in(request)
    audit.act_as(audit.Actor(viewer.id, viewer.name, panel_of(request).clock()) if viewer is not None else None)
    if viewer is not None:
        request[VIEWER] = viewer
        # Pages that refuse something have the frame's forms, too.
        use_csrf_token(viewer.csrf_token)
    if viewer is not None and not viewer.may(needed):
        raise web.HTTPForbidden(text=_(_REFUSALS[needed]))
    if request.match_info.http_exception is not None:
        raise request.match_info.http_exception
    fresh_visit = _tie_forms(request, viewer if needed is not Access.PUBLIC else None)
    if request.method not in _SAFE:
        await _read_form(request, viewer if needed is not Access.PUBLIC else None)
    response = await _carry_out(request, handler)
    if fresh_visit:
        secure = panel_of(request).secure
        response.set_cookie(visit_cookie(secure), fresh_visit, httponly=True, samesite="Lax", secure=secure, path="/")
    return response


async def _answer_phone(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A phone cannot sign in and keeps no cookie: what is no address of a book does not exist for it."""
    audit.act_as(None)
    if request.match_info.http_exception is not None:
        raise request.match_info.http_exception
    return await handler(request)


async def _carry_out(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Call the handler, once for a form that a second press sent again."""
    viewer, form = request.get(VIEWER), request.get(_FORM)
    if viewer is None or form is None or not form.value(sent_forms.FIELD):
        return await handler(request)
    forms, body = panel_of(request).sent_forms, await request.read()
    return await forms.answer(viewer.session_hash, request.path_qs, body, lambda: handler(request))


def _check_address(request: web.Request) -> None:
    query = request.rel_url.raw_query_string
    try:
        if len(query) > LONGEST_QUERY:
            raise ValueError("too long")
        parse_fields(query)
        if any(ord(letter) < 32 or 0xD800 <= ord(letter) < 0xE000 for letter in request.path):
            raise ValueError("control characters")
    except ValueError:
        raise web.HTTPBadRequest(text=_("This address cannot be read.")) from None


async def find_viewer(request: web.Request) -> Viewer | None:
    """The person whose valid session the request's cookie names, with the rights he has at this moment."""
    panel = panel_of(request)
    token = request.cookies.get(session_cookie(panel.secure))
    if not token or len(token) > 200:
        return None
    now = panel.clock()
    async with panel.database.read() as session:
        found = await access.find_session(session, access.session_hash(token), now)
    if found is None:
        return None
    # A page that merely stays open and reconnects its stream is no work of the person.
    if abs(now - found.seen_at) >= access.SEEN_STEP and not request.path.startswith("/live/"):
        async with panel.database.write() as session:
            await access.touch_session(session, found.id_hash, now)
    return Viewer(
        id=found.employee_id,
        name=found.name,
        login=found.login,
        role=found.role,
        language=found.language,
        zone=ZoneInfo(found.time_zone) if found.time_zone else panel.zone,
        csrf_token=found.csrf_token,
        session_hash=found.id_hash,
        scope=scope_of(found.employee_id, found.role, panel.directory.current),
        card_key=found.card_key or USUAL_CARD_KEY,
        may_export=may_export(found.role, found.may_export),
    )


def _speak(request: web.Request, viewer: Viewer | None) -> None:
    panel = request.app[PANEL]
    language = (viewer and viewer.language) or accepted_language(request.headers.get("Accept-Language", ""))
    if language not in panel.catalogs:
        language = "en"
    zone = viewer.zone if viewer else panel.zone
    use_locale(Locale(language, panel.catalogs[language], zone, panel.clock(), panel.zone))


def _tie_forms(request: web.Request, viewer: Viewer | None) -> str | None:
    """Give this page's forms their token; returns a new visit's id, for the cookie, where there is none yet."""
    if viewer is not None:
        use_csrf_token(viewer.csrf_token)
        return None
    visit = request.cookies.get(visit_cookie(panel_of(request).secure), "")
    if len(visit) == 43 and visit.isascii():
        use_csrf_token(visit)
        return None
    visit = secrets.token_urlsafe(32)
    use_csrf_token(visit)
    return visit


async def _read_form(request: web.Request, viewer: Viewer | None) -> None:
    if not _same_origin(request):
        raise web.HTTPForbidden(text=_("This request came from another site."))
    if request.content_type == "multipart/form-data" and takes_file(request.match_info.handler):
        return await _open_upload(request, viewer)
    if request.content_type != "application/x-www-form-urlencoded" or "Content-Encoding" in request.headers:
        raise web.HTTPUnsupportedMediaType(text=_("This form was not sent by this page."))
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.read()
        form = Form(parse_fields(body))
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=_("The form took too long to arrive.")) from None
    except ValueError:
        raise strange_form() from None
    _check_token(request, viewer, form.value("csrf"))
    request[_FORM] = form
    return None


async def _open_upload(request: web.Request, viewer: Viewer | None) -> None:
    """Check the token, which stands first in a form with a file; the rest is left to the handler, as it comes."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            reader = await request.multipart()
            part = await reader.next()
            named = isinstance(part, BodyPartReader) and part.name == "csrf"
            sent = (await part.read_chunk()).decode() if named and isinstance(part, BodyPartReader) else ""
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=_("The form took too long to arrive.")) from None
    except UNREADABLE_PARTS:
        raise strange_form() from None
    _check_token(request, viewer, sent)
    request[_UPLOAD] = reader


def _check_token(request: web.Request, viewer: Viewer | None, sent: str) -> None:
    expected = viewer.csrf_token if viewer else request.cookies.get(visit_cookie(panel_of(request).secure), "")
    if not expected or not hmac.compare_digest(sent.encode(), expected.encode("utf-8", "surrogateescape")):
        raise web.HTTPForbidden(
            text=_("This page was opened before you signed in here, or too long ago. Go back, reload it and try again.")
        )


def _same_origin(request: web.Request) -> bool:
    """Whether a change was sent by a page of ours, as far as the browser says; old ones say nothing.

    Behind a proxy that changes Host, browsers still tell by Sec-Fetch-Site, which pages cannot set.
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return False
    origin = request.headers.get("Origin")
    if origin is None or "Sec-Fetch-Site" in request.headers:
        return True
    try:
        return urlsplit(origin).netloc.lower() == request.host.lower()
    except ValueError:
        return False


def _ask_to_sign_in(request: web.Request) -> web.StreamResponse:
    if request.path.endswith("/stream"):
        raise web.HTTPUnauthorized(text=_("You are signed out."))
    back = request.path_qs if request.method in _SAFE and request.path != "/" else ""
    return web.Response(
        status=303, headers={"Location": f"/sign-in?next={quote(back, safe='')}" if back else "/sign-in"}
    )


def _error_page(
    request: web.Request, status: int, message: str, headers: Mapping[str, str] = MappingProxyType({})
) -> web.Response:
    titles = {
        400: _("This request cannot be understood"),
        401: _("You are signed out"),
        403: _("Not allowed"),
        404: _("There is no such page"),
        405: _("Not this way"),
        408: _("Too slow"),
        409: _("Somebody else was quicker"),
        413: _("Too large"),
        415: _("This request cannot be understood"),
        429: _("Too many attempts"),
        500: _("Something went wrong here"),
        503: _("Not available at this moment"),
    }
    standard = {
        404: _("It may have been removed, or the address is mistyped."),
        413: _(_TOO_LARGE, size=LARGEST_BODY // 1024),
    }
    if status in standard and (message.startswith(f"{status}:") or not message):
        message = standard[status]
    elif message.startswith(f"{status}:"):
        message = ""
    if status == 500:
        message = _("The mistake is on our side and has been logged. Your administrator can find it in the log.")
    if status == 413:
        message = standard[413]
    form = request.get(_FORM) if status in _OUT_OF_REACH and VIEWER in request else None
    response = render(
        request,
        "error.html",
        status=status,
        code=status,
        title=titles.get(status, ""),
        message=message,
        typed=[] if form is None else typed_texts(form),
    )
    response.headers.update({name: headers[name] for name in ("Allow", "Retry-After") if name in headers})
    return response
