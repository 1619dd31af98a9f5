"""Groups of phones that ring together: the list and the card, for administrators."""

from collections.abc import Sequence

from aiohttp import web
from sqlalchemy.exc import IntegrityError

from leads.admin.context import admin_only, panel_of
from leads.admin.forms import ID, Form
from leads.admin.guard import form_of
from leads.admin.i18n import _, ngettext
from leads.admin.rendering import redirect, render
from leads.store import company
from leads.store.models import Extension, RingGroup

_MOST_MEMBERS = 50

routes = web.RouteTableDef()


def phone_label(phone: Extension) -> str:
    """How a choice names a phone."""
    return f"{phone.number} · {phone.employee.name}" if phone.employee else phone.number


async def phone_choices(request: web.Request) -> list[tuple[int, str]]:
    """All phones as the options of a choice."""
    async with panel_of(request).database.read() as session:
        return [(phone.id, phone_label(phone)) for phone in await company.phones(session)]


@routes.get("/company/groups")
@admin_only
async def group_list(request: web.Request) -> web.Response:
    """All groups with their phones."""
    async with panel_of(request).database.read() as session:
        groups: Sequence[RingGroup] = await company.groups(session)
    return render(request, "company/groups.html", groups=groups, label=phone_label)


@routes.get("/company/groups/new")
@admin_only
async def new_group(request: web.Request) -> web.Response:
    """An empty card."""
    return await _card(request, Form.filled(version=1, ring_seconds=25, member=[""]), None)


@routes.get(f"/company/groups/{ID}")
@admin_only
async def group_card(request: web.Request) -> web.Response:
    """One group's card."""
    group = await _find(request)
    return await _card(request, _form_from(group), group)


@routes.post("/company/groups/new")
@routes.post(f"/company/groups/{ID}")
@admin_only
async def save_group(request: web.Request) -> web.Response:
    """Save a card."""
    panel, form = panel_of(request), form_of(request)
    group_id = int(request.match_info["id"]) if "id" in request.match_info else None
    edit = _read(form)
    group = await _find(request) if group_id is not None else None
    if form.errors:
        return await _card(request, form, group, status=422)
    try:
        async with panel.database.write() as session:
            saved = await company.save_group(session, group_id, form.version(), edit)
    except company.SavedMeanwhileError:
        group = await _find(request)
        labels = {str(key): label for key, label in await phone_choices(request)}
        conflict = form.against(_form_from(group), {"member": lambda key: labels.get(key, key)})
        return await _card(request, conflict, group, status=409)
    except company.GoneError:
        form.fail("member", _("One of these phones was removed meanwhile. Choose again."))
    except (company.TakenError, IntegrityError):
        form.fail("name", _("Another group has this name."))
    if form.errors:
        return await _card(request, form, group, status=422)
    await panel.directory.refresh()
    return redirect(request, f"/company/groups/{saved}", flash=_("Saved."))


@routes.post(f"/company/groups/{ID}/remove")
@admin_only
async def remove_group(request: web.Request) -> web.Response:
    """Remove a group, unless somebody changed it meanwhile."""
    panel = panel_of(request)
    try:
        async with panel.database.write() as session:
            await company.remove_group(session, int(request.match_info["id"]), form_of(request).version())
    except company.SavedMeanwhileError:
        raise web.HTTPConflict(
            text=_("Somebody else changed it since you opened it. Look at it again first.")
        ) from None
    except company.GoneError:
        raise web.HTTPNotFound(text=_("There is no such group.")) from None
    await panel.directory.refresh()
    return redirect(request, "/company/groups", flash=_("The group is removed."))


async def _find(request: web.Request) -> RingGroup:
    async with panel_of(request).database.read() as session:
        group = await company.find_group(session, int(request.match_info["id"]))
    if group is None:
        raise web.HTTPNotFound(text=_("There is no such group."))
    return group


async def _card(request: web.Request, form: Form, group: RingGroup | None, status: int = 200) -> web.Response:
    choices = await phone_choices(request)
    members = form.values("member")
    return render(request, "company/group.html", status=status, form=form, group=group, phones=choices, members=members)


def _form_from(group: RingGroup) -> Form:
    return Form.filled(
        version=group.version,
        name=group.name,
        ring_seconds=group.ring_seconds,
        member=[member.extension_id for member in group.members],
    )


def _read(form: Form) -> company.GroupEdit:
    typed = [form.identifier("member", typed=value) for value in form.values("member")]
    members = tuple(dict.fromkeys(key for key in typed if key is not None))
    if len(members) > _MOST_MEMBERS:
        form.fail("member", ngettext("At most %(count)s phone.", "At most %(count)s phones.", _MOST_MEMBERS))
    return company.GroupEdit(
        name=form.text("name", required=True), ring_seconds=form.integer("ring_seconds", 5, 300), members=members
    )
