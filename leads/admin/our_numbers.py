"""Our numbers (DIDs) with the routes of their calls, and numbers whose calls make no lead; for administrators."""

import re
from datetime import timedelta

from aiohttp import web
from sqlalchemy.exc import IntegrityError

from leads.admin.context import admin_only, panel_of
from leads.admin.forms import ID, Form, Query
from leads.admin.groups import phone_choices
from leads.admin.guard import form_of
from leads.admin.i18n import _
from leads.admin.refusals import strange_form
from leads.admin.rendering import number_text, redirect, render
from leads.domain.numbers import NumberKind, read_number
from leads.store import company
from leads.store.models import Did
from leads.store.sources import source_choices, unregistered_numbers

LOOKS_BACK = timedelta(days=90)
"""How long ago a call to a number that nobody entered is still worth a word."""
_QUEUE = re.compile(r"[A-Za-z0-9_-]{1,40}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}([_-][A-Za-z0-9]{1,8})?")

routes = web.RouteTableDef()


@routes.get("/company/numbers")
@admin_only
async def number_list(request: web.Request) -> web.Response:
    """All of our numbers and where their calls go."""
    panel = panel_of(request)
    async with panel.database.read() as session:
        dids = await company.dids(session)
        strangers = await unregistered_numbers(session, panel.clock() - LOOKS_BACK)
    return render(request, "company/numbers.html", dids=dids, strangers=strangers, days=LOOKS_BACK.days)


@routes.get("/company/numbers/new")
@admin_only
async def new_number(request: web.Request) -> web.Response:
    """An empty card, or one for a number that was dialled and is not entered."""
    number = Query(request).text("number", longest=40)
    return await _card(request, Form.filled(version=1, number=number_text(number), queue_seconds=60), None)


@routes.get(f"/company/numbers/{ID}")
@admin_only
async def number_card(request: web.Request) -> web.Response:
    """One number's card."""
    did = await _find(request)
    return await _card(request, _form_from(did), did)


@routes.post("/company/numbers/new")
@routes.post(f"/company/numbers/{ID}")
@admin_only
async def save_number(request: web.Request) -> web.Response:
    """Save a card."""
    panel, form = panel_of(request), form_of(request)
    did_id = int(request.match_info["id"]) if "id" in request.match_info else None
    edit = _read(form, panel.region)
    did = await _find(request) if did_id is not None else None
    if form.errors:
        return await _card(request, form, did, status=422)
    try:
        async with panel.database.write() as session:
            saved = await company.save_did(session, did_id, form.version(), edit)
    except company.SavedMeanwhileError:
        did = await _find(request)
        return await _conflict(request, form, did)
    except company.GoneError:
        form.fail("group_id", _("The group, phone, employee or source was removed meanwhile. Choose again."))
    except (company.TakenError, IntegrityError):
        form.fail("number", _("This number is entered already."))
    if form.errors:
        return await _card(request, form, did, status=422)
    await panel.directory.refresh()
    return redirect(request, f"/company/numbers/{saved}", flash=_("Saved."))


@routes.post(f"/company/numbers/{ID}/remove")
@admin_only
async def remove_number(request: web.Request) -> web.Response:
    """Remove a number, unless somebody changed it meanwhile."""
    panel = panel_of(request)
    try:
        async with panel.database.write() as session:
            await company.remove_did(session, int(request.match_info["id"]), form_of(request).version())
    except company.SavedMeanwhileError:
        raise web.HTTPConflict(
            text=_("Somebody else changed it since you opened it. Look at it again first.")
        ) from None
    except company.GoneError:
        raise web.HTTPNotFound(text=_("There is no such number.")) from None
    await panel.directory.refresh()
    return redirect(request, "/company/numbers", flash=_("The number is removed."))


@routes.get("/company/ignored")
@admin_only
async def ignored_list(request: web.Request) -> web.Response:
    """Numbers whose calls make no lead."""
    return await _ignored_page(request, Form.filled())


@routes.post("/company/ignored")
@admin_only
async def ignore_number(request: web.Request) -> web.Response:
    """Let a number's calls make no lead."""
    panel, form = panel_of(request), form_of(request)
    number, note = form.outside_number("number", panel.region), form.text("note")
    if form.errors:
        return await _ignored_page(request, form, status=422)
    async with panel.database.write() as session:
        await company.ignore_number(session, number, note)
    await panel.directory.refresh()
    return redirect(request, "/company/ignored", flash=_("%(number)s is ignored.", number=number_text(number)))


@routes.post("/company/ignored/remove")
@admin_only
async def stop_ignoring(request: web.Request) -> web.Response:
    """Let a number's calls make leads again."""
    panel = panel_of(request)
    number = read_number(form_of(request).value("number"), panel.region)
    if number.kind is not NumberKind.OUTSIDE:
        raise strange_form()
    async with panel.database.write() as session:
        await company.stop_ignoring(session, number.text)
    await panel.directory.refresh()
    return redirect(
        request, "/company/ignored", flash=_("%(number)s is no longer ignored.", number=number_text(number.text))
    )


async def _ignored_page(request: web.Request, form: Form, status: int = 200) -> web.Response:
    async with panel_of(request).database.read() as session:
        numbers = await company.ignored_numbers(session)
    return render(request, "company/ignored.html", status=status, form=form, numbers=numbers)


async def _find(request: web.Request) -> Did:
    async with panel_of(request).database.read() as session:
        did = await company.find_did(session, int(request.match_info["id"]))
    if did is None:
        raise web.HTTPNotFound(text=_("There is no such number."))
    return did


async def _choices(request: web.Request, present: int | None) -> dict[str, list[tuple[int, str]]]:
    """What the card's choices offer: groups, phones, employees who work here, sources in use and the `present` one."""
    async with panel_of(request).database.read() as session:
        groups = [(group.id, group.name) for group in await company.groups(session)]
        people = [(person.id, person.name) for person in await company.employees(session) if person.active]
        sources = await source_choices(session, present)
    return {"groups": groups, "phones": await phone_choices(request), "people": people, "sources": sources}


async def _card(request: web.Request, form: Form, did: Did | None, status: int = 200) -> web.Response:
    choices = await _choices(request, did.source_id if did else None)
    if did is not None and did.responsible is not None and not did.responsible.active:
        # He does not work here any more, but saving the card for another reason must not silently drop him.
        choices["people"].append((did.responsible.id, did.responsible.name))
    return render(request, "company/number.html", status=status, form=form, did=did, **choices)


async def _conflict(request: web.Request, form: Form, did: Did) -> web.Response:
    choices = await _choices(request, did.source_id)
    names = {
        field: {str(key): label for key, label in choices[kind]}
        for field, kind in (
            *(("group_id", "groups"), ("default_extension_id", "phones")),
            *(("responsible_id", "people"), ("source_id", "sources")),
        )
    }
    shown = {field: lambda value, known=known: known.get(value, value) for field, known in names.items()}
    return await _card(request, form.against(_form_from(did), shown), did, status=409)


def _form_from(did: Did) -> Form:
    return Form.filled(
        version=did.version,
        number=number_text(did.number),
        label=did.label,
        group_id=did.group_id or "",
        queue=did.queue or "",
        queue_seconds=did.queue_seconds,
        default_extension_id=did.default_extension_id or "",
        responsible_id=did.responsible_id or "",
        channel=did.channel,
        source_id=did.source_id or "",
        greeting_language=did.greeting_language,
    )


def _read(form: Form, region: str) -> company.DidEdit:
    queue, group_id = form.text("queue", longest=40), form.identifier("group_id")
    if queue and not _QUEUE.fullmatch(queue):
        form.fail("queue", _("Latin letters, digits, dash and underscore, as the queue is named in Asterisk."))
    if queue and group_id is not None:
        form.fail("queue", _("Either a group or a queue, not both."))
    language = form.text("greeting_language", longest=20)
    if language and not _LANGUAGE.fullmatch(language):
        form.fail("greeting_language", _("As Asterisk names its sounds, such as uk, ru or en_GB."))
    return company.DidEdit(
        number=form.outside_number("number", region),
        label=form.text("label"),
        group_id=group_id,
        queue=queue or None,
        queue_seconds=form.integer("queue_seconds", 5, 3600),
        default_extension_id=form.identifier("default_extension_id"),
        responsible_id=form.identifier("responsible_id"),
        channel=form.text("channel", longest=100),
        source_id=form.identifier("source_id"),
        greeting_language=language,
    )
