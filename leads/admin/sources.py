"""The source directory: what makes people call, in the company's own words; for administrators (S1)."""

from aiohttp import web
from sqlalchemy.exc import IntegrityError

from leads.admin.context import admin_only, panel_of
from leads.admin.forms import ID, Form
from leads.admin.guard import form_of
from leads.admin.i18n import _
from leads.admin.rendering import redirect, render
from leads.store.company import GoneError, SavedMeanwhileError, TakenError
from leads.store.models import Source
from leads.store.sources import find_source, save_source, sources

PAGE = "/company/sources"

routes = web.RouteTableDef()


@routes.get(PAGE)
@admin_only
async def source_list(request: web.Request) -> web.Response:
    """All sources."""
    async with panel_of(request).database.read() as session:
        return render(request, "company/sources.html", sources=await sources(session))


@routes.get(f"{PAGE}/new")
@admin_only
async def new_source(request: web.Request) -> web.Response:
    """An empty card."""
    return _card(request, Form.filled(version=1, active=True), None)


@routes.get(f"{PAGE}/{ID}")
@admin_only
async def source_card(request: web.Request) -> web.Response:
    """One source's card."""
    source = await _find(request)
    return _card(request, _form_from(source), source)


@routes.post(f"{PAGE}/new")
@routes.post(f"{PAGE}/{ID}")
@admin_only
async def save(request: web.Request) -> web.Response:
    """Save a card."""
    form = form_of(request)
    source_id = int(request.match_info["id"]) if "id" in request.match_info else None
    source = await _find(request) if source_id is not None else None
    name, active = form.text("name", required=True, longest=100), form.flag("active")
    if not form.errors:
        try:
            async with panel_of(request).database.write() as session:
                await save_source(session, source_id, form.version(), name, active)
        except SavedMeanwhileError:
            source = await _find(request)
            return _card(request, form.against(_form_from(source)), source, status=409)
        except GoneError:
            raise _no_such_source() from None
        except (TakenError, IntegrityError):
            form.fail("name", _("There is a source of this name already."))
    if form.errors:
        return _card(request, form, source, status=422)
    return redirect(request, PAGE, flash=_("Saved."))


def _card(request: web.Request, form: Form, source: Source | None, status: int = 200) -> web.Response:
    return render(request, "company/source.html", status=status, form=form, source=source)


async def _find(request: web.Request) -> Source:
    async with panel_of(request).database.read() as session:
        source = await find_source(session, int(request.match_info["id"]))
    if source is None:
        raise _no_such_source()
    return source


def _no_such_source() -> web.HTTPNotFound:
    return web.HTTPNotFound(text=_("There is no such source."))


def _form_from(source: Source) -> Form:
    return Form.filled(version=source.version, name=source.name, active=source.active)
