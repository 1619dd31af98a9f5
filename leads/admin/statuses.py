"""The status directory: names, order, and whether and when the next call is planned; for administrators (P1)."""

from aiohttp import web
from sqlalchemy.exc import IntegrityError

from leads.admin.context import admin_only, panel_of, viewer_of
from leads.admin.forms import ID, Form
from leads.admin.guard import form_of
from leads.admin.i18n import N_, _, ngettext
from leads.admin.rendering import redirect, render, status_word
from leads.domain.statuses import LONGEST_PLAN_DAYS, StatusSet
from leads.store import company, statuses
from leads.store.statuses import StatusEdit, StatusRow

PAGE = "/company/statuses"
SETS = {StatusSet.LEADS: N_("Leads"), StatusSet.COUNTERPARTIES: N_("Counterparties")}
LAST_PLACE = 1000
_LEADS, _COUNTERPARTIES = (f"{PAGE}/{which}" for which in StatusSet)

routes = web.RouteTableDef()


@routes.get(PAGE)
@admin_only
async def status_list(request: web.Request) -> web.Response:
    """Both sets, each in its order."""
    async with panel_of(request).database.read() as session:
        sets = [(which.value, _(name), await statuses.status_rows(session, which)) for which, name in SETS.items()]
    return render(request, "company/statuses.html", sets=sets)


@routes.get(f"{_LEADS}/new")
@routes.get(f"{_COUNTERPARTIES}/new")
@admin_only
async def new_status(request: web.Request) -> web.Response:
    """An empty card, at the end of its set."""
    async with panel_of(request).database.read() as session:
        rows = await statuses.status_rows(session, _which(request))
    place = min(max((row.sort_order for row in rows), default=0) + 1, LAST_PLACE)
    return await _card(request, Form.filled(version=1, sort_order=place, plans=True, plan_days=7), None)


@routes.get(f"{_LEADS}/{ID}")
@routes.get(f"{_COUNTERPARTIES}/{ID}")
@admin_only
async def status_card(request: web.Request) -> web.Response:
    """One status's card."""
    status = await _find(request)
    return await _card(request, _form_from(status), status)


@routes.post(f"{_LEADS}/new")
@routes.post(f"{_COUNTERPARTIES}/new")
@routes.post(f"{_LEADS}/{ID}")
@routes.post(f"{_COUNTERPARTIES}/{ID}")
@admin_only
async def save_status(request: web.Request) -> web.Response:
    """Save a status."""
    panel, form = panel_of(request), form_of(request)
    status = await _find(request) if "id" in request.match_info else None
    edit = _read(form, status)
    if not form.errors:
        try:
            async with panel.database.write() as session:
                key = status.id if status else None
                await statuses.save_status(session, _which(request), key, form.version(), edit)
        except company.SavedMeanwhileError:
            status = await _find(request)
            return await _card(request, form.against(_form_from(status)), status, code=409)
        except company.GoneError:
            raise _no_such_status() from None
        except (company.TakenError, IntegrityError):
            form.fail("name", _("Another status has this name."))
        else:
            return redirect(request, PAGE, flash=_("Saved."))
    return await _card(request, form, status, code=422)


@routes.post(f"{_LEADS}/{ID}/remove")
@routes.post(f"{_COUNTERPARTIES}/{ID}/remove")
@admin_only
async def remove_status(request: web.Request) -> web.Response:
    """Remove a status; where cards have it, they get the one that was chosen in its place."""
    panel, form = panel_of(request), form_of(request)
    status = await _find(request)
    try:
        replaced = await statuses.remove_status(
            panel.database,
            _which(request),
            status.id,
            form.version(),
            form.identifier("replacement_id"),
            by=viewer_of(request).id,
            now=panel.clock(),
        )
    except company.SavedMeanwhileError:
        raise web.HTTPConflict(
            text=_("Somebody else changed it since you opened it. Look at it again first.")
        ) from None
    except (company.GoneError, IntegrityError):
        raise web.HTTPConflict(text=_("The directory was changed meanwhile. Look at it again first.")) from None
    except statuses.LastStatusError:
        raise web.HTTPConflict(text=_("Every card has a status, so this one stays until there is another.")) from None
    except statuses.NeedsReplacementError:
        form.fail("replacement_id", _("Choose which status takes its place."))
        again = _form_from(status)
        again.errors.update(form.errors)
        return await _card(request, again, status, code=422)
    flash = _("The status is removed.")
    if replaced:
        flash = ngettext(
            "The status is removed; %(count)s card has the other one now.",
            "The status is removed; %(count)s cards have the other one now.",
            replaced,
        )
    return redirect(request, PAGE, flash=flash)


def _which(request: web.Request) -> StatusSet:
    return StatusSet(request.path.removeprefix(f"{PAGE}/").partition("/")[0])


def _no_such_status() -> web.HTTPNotFound:
    return web.HTTPNotFound(text=_("There is no such status."))


async def _find(request: web.Request) -> StatusRow:
    async with panel_of(request).database.read() as session:
        rows = await statuses.status_rows(session, _which(request))
    found = next((row for row in rows if row.id == int(request.match_info["id"])), None)
    if found is None:
        raise _no_such_status()
    return found


async def _card(request: web.Request, form: Form, status: StatusRow | None, code: int = 200) -> web.Response:
    which = _which(request)
    async with panel_of(request).database.read() as session:
        names = await statuses.status_names(session, which)
    others = [(key, status_word(name)) for key, name in names if status is None or key != status.id]
    return render(
        request,
        "company/status.html",
        status=code,
        form=form,
        row=status,
        others=others,
        set_name=_(SETS[which]),
        address=f"{PAGE}/{which}/{status.id if status else 'new'}",
    )


def _form_from(status: StatusRow) -> Form:
    return Form.filled(
        version=status.version,
        name=status_word(status.name),
        sort_order=status.sort_order,
        plans=status.plans,
        plan_days=status.plan_days,
    )


def _read(form: Form, status: StatusRow | None) -> StatusEdit:
    name = form.text("name", required=True)
    if status is not None and name == status_word(status.name):
        name = status.name  # One of ours, shown in the reader's language, keeps its name for readers of others.
    plans = form.flag("plans")
    return StatusEdit(
        name=name,
        sort_order=form.integer("sort_order", 1, LAST_PLACE),
        plans=plans,
        plan_days=form.integer("plan_days", 0, LONGEST_PLAN_DAYS),
    )
