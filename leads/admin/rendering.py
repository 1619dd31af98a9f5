"""Turns templates into pages: the Jinja environment, what every page knows, redirects with a message."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import phonenumbers
from aiohttp import web
from jinja2 import DictLoader, StrictUndefined
from markupsafe import Markup, escape

from leads.admin import i18n, sent_forms
from leads.admin.assets import Assets
from leads.admin.context import VIEWER, Viewer, panel_of
from leads.admin.lines import LeadLines
from leads.admin.words import FIRST_STATUSES, WORDS

FLASH_COOKIE = "leadline_flash"
THEME_COOKIE = "leadline_theme"
LONGEST_NUMBER = 16
"""Of E.164 with its plus."""
_csrf_token: ContextVar[str] = ContextVar("csrf_token", default="")


def set_up_templates(app: web.Application, assets: Assets, *, several_asterisks: bool) -> None:
    """Give the panel its Jinja environment: everything is escaped, an unknown name is an error."""
    environment = aiohttp_jinja2.setup(
        app,
        loader=DictLoader(_templates()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        _=i18n._,
        ngettext=i18n.ngettext,
        asset=assets.url,
        company_days=i18n.company_days,
        csrf_field=_csrf_field,
        languages=i18n.LANGUAGES,
        lead_line=LeadLines(environment),
        several_asterisks=several_asterisks,
    )
    environment.filters.update(
        time=i18n.time_element,
        long_time=i18n.long_time,
        day=i18n.day_text,
        duration=duration,
        share=share,
        number=number_element,
        numbers=numbers_element,
        responsible=responsible_element,
        word=word,
        status=status_word,
        status_badge=status_badge,
    )


def _templates() -> dict[str, str]:
    """All templates, read at the start: a server whose files are replaced below it keeps the pages it came with."""
    folder = Path(__file__).parent / "templates"
    return {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8") for file in folder.rglob("*.html")}


def use_csrf_token(token: str) -> None:
    """Make `token` the one that the forms of the running request carry."""
    _csrf_token.set(token)


def _csrf_field() -> Markup:
    """What makes a form one of ours, and of this page; see leads.admin.sent_forms."""
    fields = {"csrf": _csrf_token.get(), sent_forms.FIELD: secrets.token_urlsafe(9)}
    return Markup("").join(
        Markup('<input type="hidden" name="{}" value="{}">').format(*field) for field in fields.items()
    )


def duration(seconds: float | None) -> str:
    """Write a number of seconds as 1:05 or 1:02:03; a dash where nothing was measured."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def share(part: float | None) -> str:
    """Write a share as whole per cent; a dash where there is nothing to share."""
    return "–" if part is None else f"{part * 100:.0f} %"


@lru_cache(maxsize=4096)
def number_text(number: str) -> str:
    """Write an E.164 number the way its country groups it; anything else stays as it is."""
    if not number.startswith("+"):
        return number
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def number_element(number: str | None) -> Markup:
    """A telephone number that keeps together on one line unless it is a freak; a dash where there is none."""
    if not number:
        return Markup("–")
    if len(number) > LONGEST_NUMBER:
        return escape(number)
    return Markup(f'<span class="number">{escape(number_text(number))}</span>')  # noqa: S704 - it is escaped


def numbers_element(numbers: Sequence[str]) -> Markup:
    """The first of somebody's numbers, to be called, and how many more there are; a dash where there is none."""
    if not numbers:
        return Markup("<span>–</span>")
    first, more = numbers[0], len(numbers) - 1
    shown = f'<a class="soft" href="tel:{escape(first)}">{number_element(first)}</a>'
    if more:
        others = "".join(f"{number} " for number in numbers[1:])
        shown += f' <span class="faint" title="{escape(others)}">+{more}</span>'
    return Markup(f"<span>{shown}</span>")  # noqa: S704 - its parts are escaped


def responsible_element(name: str | None) -> Markup:
    """Who is responsible, or that nobody is."""
    if name:
        return escape(name)
    return Markup(f'<span class="faint">{escape(i18n._("Nobody"))}</span>')  # noqa: S704 - it is escaped


def word(value: object) -> str:
    """Say one of the domain's values (a result, a direction, a role …) in the viewer's language."""
    return i18n._(WORDS[value])


def status_word(name: str) -> str:
    """A lead's status: ours in the viewer's language, the company's own as it is."""
    return i18n._(name) if name in FIRST_STATUSES else name


def status_badge(name: str) -> Markup:
    """A status that stands out in a list and on a card; most of all the one that is called first."""
    accent = " badge-accent" if name == FIRST_STATUSES[0] else ""
    return Markup(f'<span class="badge{accent}">{escape(status_word(name))}</span>')  # noqa: S704 - it is escaped


def render(request: web.Request, template: str, *, status: int = 200, **context: Any) -> web.Response:
    """Answer with a page.

    Args:
        request: whose language, viewer and messages the page shows.
        template: a file of leads/admin/templates.
        status: 422 for a form with mistakes, 409 when somebody else saved meanwhile.
        context: what the template names.
    """
    viewer = request.get(VIEWER)
    flash = _read_flash(request, viewer)
    page = {
        "viewer": viewer,
        "path": request.path,
        "language": i18n.current_locale().language,
        "theme": request.cookies.get(THEME_COOKIE)
        if request.cookies.get(THEME_COOKIE) in ("light", "dark")
        else "auto",
        "flash": flash,
        "unsent": status >= 400 or viewer is None,
        **context,
    }
    response = aiohttp_jinja2.render_template(template, request, page, status=status)
    if flash:
        response.del_cookie(FLASH_COOKIE, path="/")
    return response


def redirect(request: web.Request, location: str, *, flash: str = "") -> web.Response:
    """Send the browser on after a change (303), with a message for the next page."""
    response = web.Response(status=303, headers={"Location": location})
    viewer = request.get(VIEWER)
    if flash and viewer:
        body = base64.urlsafe_b64encode(json.dumps(flash).encode()).decode()
        response.set_cookie(
            FLASH_COOKIE,
            f"{body}.{_flash_seal(viewer, body)}",
            path="/",
            max_age=60,
            httponly=True,
            samesite="Lax",
            secure=panel_of(request).secure,
        )
    return response


def _flash_seal(viewer: Viewer, body: str) -> str:
    return hmac.new(viewer.csrf_token.encode(), body.encode(), hashlib.sha256).hexdigest()


def _read_flash(request: web.Request, viewer: Viewer | None) -> str:
    """The message of the page before; one that we did not seal for this session is nobody's."""
    body, _dot, seal = request.cookies.get(FLASH_COOKIE, "").rpartition(".")
    if (
        viewer is None
        or not body
        or not hmac.compare_digest(seal.encode("utf-8", "surrogateescape"), _flash_seal(viewer, body).encode())
    ):
        return ""
    return str(json.loads(base64.urlsafe_b64decode(body)))
