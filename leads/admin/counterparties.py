"""Counterparties: the list, and the card with its contact persons (K1)."""

from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from leads.admin import cards as pages
from leads.admin.context import Viewer, panel_of, viewer_of
from leads.admin.counterparty_form import (
    Names,
    beside,
    beside_lead,
    blank_person,
    change_persons,
    filled,
    persons_of,
    read_edit,
)
from leads.admin.dialling import call_buttons
from leads.admin.events import events_of
from leads.admin.forms import ID, Form, Query
from leads.admin.guard import form_of
from leads.admin.i18n import _
from leads.admin.lead_ends import open_lead_card
from leads.admin.leads_at_stake import (
    asking_about,
    at_stake,
    becoming_in,
    decided_in,
    from_lead,
    shared_with,
    what_was_saved,
)
from leads.admin.lists import Asked, read_list
from leads.admin.planning import caller_rings, card_plans, planning_of, step_text
from leads.admin.refusals import no_such_counterparty, no_such_lead
from leads.admin.rendering import redirect, render
from leads.admin.seen import seen_counterparty
from leads.admin.tasks import card_work
from leads.domain.statuses import StatusSet
from leads.store.at_stake import LeadsToCloseError
from leads.store.cards import (
    ConflictError,
    LeadClosedError,
    NoSuchCardError,
    WrongFieldError,
)
from leads.store.counterparties import (
    CounterpartyFilter,
    CounterpartyOrder,
    folders,
    list_counterparties,
)
from leads.store.counterparty_card import (
    CounterpartyCard,
    CounterpartyEdit,
    Saved,
    first_status,
    save_counterparty,
)
from leads.store.leads import employees
from leads.store.people_of_calls import CallPerson
from leads.store.plans import HandDateError
from leads.store.sources import source_choices, source_names
from leads.store.visibility import counterparty_is_visible, visible_leads

routes = web.RouteTableDef()


@routes.get("/counterparties")
async def counterparty_list(request: web.Request) -> web.Response:
    """One page of the counterparties that the viewer may see."""
    panel, viewer = panel_of(request), viewer_of(request)
    wanted, asked = asked_counterparties(request, forgiving=True)
    async with panel.database.read() as session:
        became = await panel.roster.became(session, viewer.scope)
        page = await list_counterparties(session, wanted, asked.sort, asked.place, viewer.scope, became=became)
        people = await employees(session)
        folder_names = await folders(session, viewer.scope, became)
        statuses = await pages.status_choices(session, StatusSet.COUNTERPARTIES)
    return render(
        request,
        "counterparties/list.html",
        status=422 if asked.query.errors else 200,
        **asked.shown(),
        page=page,
        wanted=wanted,
        people=people,
        folders=folder_names,
        statuses=statuses,
        narrowed=wanted != CounterpartyFilter(),
        total=pages.total_text(page.total),
    )


def asked_counterparties(
    request: web.Request, *, forgiving: bool = False
) -> tuple[CounterpartyFilter, Asked[CounterpartyOrder]]:
    """What the address of the list, or of its export, asks for; see `read_list`."""
    asked = read_list(request, CounterpartyOrder.NAME, (CounterpartyOrder.CREATED,), forgiving=forgiving)
    wanted = CounterpartyFilter(
        search=asked.search,
        folder=asked.query.text("folder") or None,
        status_id=asked.query.identifier("status"),
        responsible_id=asked.responsible_id,
        name=asked.query.words("name"),
        number=asked.number(panel_of(request).region),
        person=asked.query.words("person"),
        created=asked.days("created"),
    )
    return wanted, asked


@routes.get("/counterparties/new")
async def new_counterparty(request: web.Request) -> web.Response:
    """An empty card, or one that begins with what is known of the lead that becomes this (L5)."""
    panel, viewer = panel_of(request), viewer_of(request)
    lead_id = Query(request).identifier("lead")
    async with panel.database.read() as session:
        first = await first_status(session)
        if lead_id is None:
            return await _page(request, session, None, Form.filled(status_id=first, responsible_id=viewer.id))
        form = from_lead(await open_lead_card(session, viewer, lead_id))
        return await _page(request, session, None, form.replaced(status_id=first))


@routes.get(f"/counterparties/{ID}")
async def counterparty_page(request: web.Request) -> web.Response:
    """A counterparty's card."""
    panel, viewer = panel_of(request), viewer_of(request)
    async with panel.database.read() as session:
        card = await _load(session, request, viewer)
        return await _page(request, session, card, filled(card))


@routes.post("/counterparties")
async def create(request: web.Request) -> web.Response:
    """Make a counterparty."""
    return await _save(request, None)


@routes.post(f"/counterparties/{ID}")
async def save(request: web.Request) -> web.Response:
    """Save what was typed, or show why not, with nothing of it lost."""
    return await _save(request, int(request.match_info["id"]))


async def _save(request: web.Request, counterparty_id: int | None) -> web.Response:
    form = form_of(request)
    changed = change_persons(form)
    if changed is not None:
        return await _again(request, counterparty_id, changed, None, 200)
    edit = read_edit(form, panel_of(request).region)
    hand_date: HandDateError | None = None
    if not form.errors:
        try:
            return await _saved(request, await _write(request, counterparty_id, form, edit))
        except LeadClosedError:
            form = form.replaced(lead_id="", lead_version="")
            form.fail("lead_id", _("The lead was closed meanwhile. Save again to make this counterparty without it."))
            return await _again(request, counterparty_id, form, None, 409)
        except WrongFieldError as error:
            form.fail(error.field, _("Choose one of the list."))
        except HandDateError as error:
            hand_date = error
        except LeadsToCloseError as error:
            form = asking_about(form, error.leads)
        except ConflictError as error:
            return await _conflict(request, counterparty_id, form, edit, error)
    return await _again(request, counterparty_id, form, None, 422, hand_date=hand_date)


async def _write(request: web.Request, counterparty_id: int | None, form: Form, edit: CounterpartyEdit) -> Saved:
    panel, viewer = panel_of(request), viewer_of(request)
    becoming = becoming_in(form) if counterparty_id is None else None
    try:
        return await save_counterparty(
            panel.database,
            counterparty_id,
            form.version() if counterparty_id is not None else 0,
            edit,
            by=viewer.id,
            clock=panel.clock,
            region=panel.region,
            scope=viewer.scope,
            planning=planning_of(panel, form),
            decided=decided_in(form),
            becoming=becoming,
            rings=counterparty_id is not None and caller_rings(request, CallPerson(counterparty_id=counterparty_id)),
        )
    except NoSuchCardError:
        raise no_such_lead() if becoming else no_such_counterparty() from None


async def _conflict(
    request: web.Request, counterparty_id: int | None, form: Form, edit: CounterpartyEdit, error: ConflictError
) -> web.Response:
    """Show both values of each field, what was typed in the form, after somebody else saved the card or its lead."""
    panel, viewer = panel_of(request), viewer_of(request)
    becoming = becoming_in(form) if counterparty_id is None else None
    async with panel.database.read() as session:
        names = Names(dict(await employees(session)), dict(await source_names(session)))
        if becoming is not None:
            lead = await open_lead_card(session, viewer, becoming.lead_id)
            form = beside_lead(form, edit, lead, names, panel.region)
            return await _page(request, session, None, form, conflict=error, status=409)
        card = await _load(session, request, viewer)
        form = beside(form, edit, card, names, panel.region)
    if not form.theirs:
        return await _saved(request, Saved(card.id, ()))
    return await _again(request, counterparty_id, form, error, 409)


async def _again(
    request: web.Request,
    counterparty_id: int | None,
    form: Form,
    conflict: ConflictError | None,
    status: int,
    *,
    hand_date: HandDateError | None = None,
) -> web.Response:
    panel, viewer = panel_of(request), viewer_of(request)
    async with panel.database.read() as session:
        card = None if counterparty_id is None else await _load(session, request, viewer)
        return await _page(request, session, card, form, conflict=conflict, hand_date=hand_date, status=status)


async def _saved(request: web.Request, saved: Saved) -> web.Response:
    panel, viewer = panel_of(request), viewer_of(request)
    async with panel.database.read() as session:
        mine = await counterparty_is_visible(session, saved.id, viewer.scope)
        mine = mine or caller_rings(request, CallPerson(counterparty_id=saved.id))
        flash = " ".join(filter(None, (await what_was_saved(session, viewer, saved), step_text(saved.step))))
    return redirect(request, f"/counterparties/{saved.id}" if mine else "/counterparties", flash=flash)


async def _load(session: AsyncSession, request: web.Request, viewer: Viewer) -> CounterpartyCard:
    counterparty_id = int(request.match_info["id"])
    calls_him = caller_rings(request, CallPerson(counterparty_id=counterparty_id))
    return await seen_counterparty(session, counterparty_id, None if calls_him else viewer.scope)


async def _page(
    request: web.Request,
    session: AsyncSession,
    card: CounterpartyCard | None,
    form: Form,
    *,
    conflict: ConflictError | None = None,
    hand_date: HandDateError | None = None,
    status: int = 200,
) -> web.Response:
    panel, viewer = panel_of(request), viewer_of(request)
    present = () if card is None else (card.responsible_id, *(person.responsible_id for person in card.persons))
    return render(
        request,
        "counterparties/card.html",
        status=status,
        card=card,
        form=form,
        buttons=call_buttons(panel, viewer.id, f"/counterparties/{card.id}") if card else None,
        statuses=await pages.status_choices(session, StatusSet.COUNTERPARTIES),
        sources=await source_choices(session, form.identifier("source_id")),
        persons=persons_of(form),
        blank=blank_person(),
        people=await pages.people_choices(session, *present),
        folders=await folders(session, viewer.scope, await panel.roster.became(session, viewer.scope)),
        name_languages=pages.language_choices(),
        leads_to_open=await visible_leads(session, [lead.id for lead in card.leads] if card else (), viewer.scope),
        **(await _doings(request, session, card.id) if card else {}),
        hand_date=hand_date,
        conflict=conflict,
        at_stake=await at_stake(session, viewer, form),
        shared=await shared_with(session, viewer, card) if card else [],
    )


async def _doings(request: web.Request, session: AsyncSession, counterparty_id: int) -> dict[str, Any]:
    """What happened with a counterparty, and what is to be done."""
    panel, viewer, person = panel_of(request), viewer_of(request), CallPerson(counterparty_id=counterparty_id)
    plans, work = await card_plans(session, panel, viewer, person), await card_work(session, panel, viewer, person)
    return {"events": await events_of(request, session, person, plans, work), "plans": plans, "work": work}
