"""How a lead ends, and begins again: closed to a counterparty, merged with another, opened by hand (L4, L12, L15)."""

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from leads.admin.cards import searched
from leads.admin.context import Viewer, panel_of, supervisor_only, viewer_of
from leads.admin.forms import ID, Form, Query
from leads.admin.guard import form_of
from leads.admin.i18n import _
from leads.admin.planning import planning_of, step_text
from leads.admin.refusals import no_such_lead, strange_address, strange_form
from leads.admin.rendering import number_text, redirect, render
from leads.admin.seen import seen_counterparty, seen_lead
from leads.domain.lead_life import Age, NumbersTo, older_first
from leads.store.cards import ConflictError, LeadClosedError, NoSuchCardError, WrongFieldError
from leads.store.closing import Choice, PlaceForNumbersError, choose_counterparty
from leads.store.counterparties import (
    CounterpartyFilter,
    CounterpartyOrder,
    list_counterparties,
)
from leads.store.counterparty_card import CounterpartyCard
from leads.store.lead_card import LeadCard
from leads.store.leads import LeadFilter, LeadOrder, list_leads
from leads.store.listing import Request
from leads.store.merging import merge_leads
from leads.store.reopening_by_hand import NoNumberFreeError, reopen_by_hand
from leads.store.visibility import counterparty_is_visible

MOST_FOUND = 20
routes = web.RouteTableDef()


@routes.get(f"/leads/{ID}/close")
async def close_page(request: web.Request) -> web.Response:
    """Choose the counterparty that a lead is: first which one, then who of it and where the numbers go."""
    panel, viewer = panel_of(request), viewer_of(request)
    async with panel.database.read() as session:
        lead = await _open_lead(session, request)
        chosen = Query(request).identifier("counterparty")
        if chosen is None:
            return await _choose_page(request, session, lead)
        company = await seen_counterparty(session, chosen, viewer.scope)
        return _close_page(request, lead, company, Form.filled(version=lead.version))


@routes.post(f"/leads/{ID}/close")
async def close(request: web.Request) -> web.Response:
    """Close a lead to the chosen counterparty; asks where its numbers go when two cards could take them."""
    panel, viewer, form = panel_of(request), viewer_of(request), form_of(request)
    lead_id = int(request.match_info["id"])
    counterparty_id = form.key("counterparty_id")
    to = form.choice("numbers_to", NumbersTo) if form.value("numbers_to") else None
    choice = Choice(counterparty_id, form.identifier("contact_person_id"), to)
    try:
        company = await choose_counterparty(
            panel.database, lead_id, form.version(), choice, by=viewer.id, clock=panel.clock, scope=viewer.scope
        )
    except NoSuchCardError:
        raise no_such_lead() from None
    except LeadClosedError:
        raise _closed_meanwhile() from None
    except ConflictError:
        form.fail("version", _("Somebody else saved this lead meanwhile. Look at it once more, then close it."))
    except PlaceForNumbersError:
        form.fail("numbers_to", _("Say which of the two gets the lead's numbers."))
    except WrongFieldError as error:
        form.fail(error.field, _("Choose one of the list."))
    else:
        flash = _("The lead is closed: it is the counterparty %(name)s now.", name=company.name)
        async with panel.database.read() as session:
            mine = await counterparty_is_visible(session, company.id, viewer.scope)
        return redirect(request, f"/counterparties/{company.id}" if mine else f"/leads/{lead_id}", flash=flash)
    async with panel.database.read() as session:
        lead = await _open_lead(session, request)
        shown = await seen_counterparty(session, counterparty_id, viewer.scope)
        return _close_page(request, lead, shown, form.replaced(version=lead.version), status=422)


@routes.post(f"/leads/{ID}/reopen")
@supervisor_only
async def reopen(request: web.Request) -> web.Response:
    """Open a closed lead again, for supervisors and administrators."""
    panel, viewer, form = panel_of(request), viewer_of(request), form_of(request)
    lead_id = int(request.match_info["id"])
    try:
        step = await reopen_by_hand(
            panel.database,
            lead_id,
            form.version(),
            by=viewer.id,
            clock=panel.clock,
            scope=viewer.scope,
            planning=planning_of(panel, form),
        )
    except NoSuchCardError:
        raise no_such_lead() from None
    except ConflictError:
        flash = _("Somebody else changed this lead meanwhile. Look at it once more.")
    except NoNumberFreeError:
        flash = _("This lead stays closed: all of its numbers belong to others now.")
    else:
        flash = " ".join(filter(None, (_("The lead is open again."), step_text(step))))
    return redirect(request, f"/leads/{lead_id}", flash=flash)


@routes.get(f"/leads/{ID}/merge")
async def merge_page(request: web.Request) -> web.Response:
    """Choose the lead that is the same person, then look at both before they become one."""
    panel = panel_of(request)
    async with panel.database.read() as session:
        lead = await _open_lead(session, request)
        other = Query(request).identifier("other")
        if other is None:
            return await _find_double_page(request, session, lead)
        return await _merge_page(request, session, lead, other)


@routes.post(f"/leads/{ID}/merge")
async def merge(request: web.Request) -> web.Response:
    """Make one lead of two; the older one survives."""
    panel, viewer, form = panel_of(request), viewer_of(request), form_of(request)
    lead_id, other = int(request.match_info["id"]), form.identifier("other")
    async with panel.database.read() as session:
        await _open_lead(session, request)
    if other is None or other == lead_id:
        raise strange_form()
    try:
        survivor = await merge_leads(
            panel.database, lead_id, form.version(), other, by=viewer.id, clock=panel.clock, scope=viewer.scope
        )
    except NoSuchCardError:
        raise no_such_lead() from None
    except LeadClosedError:
        raise _closed_meanwhile() from None
    except ConflictError:
        flash = _("Somebody else saved this lead meanwhile. Look at it once more, then merge.")
        return redirect(request, f"/leads/{lead_id}/merge?other={other}", flash=flash)
    return redirect(request, f"/leads/{survivor}", flash=_("The two leads are one now."))


def _closed_meanwhile() -> web.HTTPConflict:
    return web.HTTPConflict(text=_("This lead was closed meanwhile; a closed lead is read-only."))


async def open_lead_card(session: AsyncSession, viewer: Viewer, lead_id: int) -> LeadCard:
    """An open lead's card, for what can only be done with open ones.

    Raises:
        HTTPNotFound, HTTPConflict: there is none that the viewer may see, or it is closed.
    """
    lead = await seen_lead(session, lead_id, viewer.scope)
    if lead.closed_at is not None:
        raise _closed_meanwhile()
    return lead


async def _open_lead(session: AsyncSession, request: web.Request) -> LeadCard:
    return await open_lead_card(session, viewer_of(request), int(request.match_info["id"]))


async def _choose_page(request: web.Request, session: AsyncSession, lead: LeadCard) -> web.Response:
    query = Query(request, forgiving=True)
    panel, viewer = panel_of(request), viewer_of(request)
    wanted = CounterpartyFilter(search=searched(query.words("q"), panel.region))
    became = await panel.roster.became(session, viewer.scope)
    page = await list_counterparties(
        session, wanted, CounterpartyOrder.NAME, Request(MOST_FOUND, False), viewer.scope, became=became
    )
    return render(
        request, "leads/choose.html", status=422 if query.errors else 200, lead=lead, query=query, rows=page.rows
    )


def _close_page(
    request: web.Request, lead: LeadCard, company: CounterpartyCard, form: Form, *, status: int = 200
) -> web.Response:
    return render(
        request,
        "leads/close.html",
        status=status,
        lead=lead,
        title=number_text(lead.name),
        company=company,
        form=form,
        persons=[(person.id, person.name) for person in company.persons],
    )


async def _find_double_page(request: web.Request, session: AsyncSession, lead: LeadCard) -> web.Response:
    query = Query(request, forgiving=True)
    panel, viewer = panel_of(request), viewer_of(request)
    wanted = LeadFilter(search=searched(query.words("q"), panel.region))
    page = await list_leads(
        *(session, wanted, LeadOrder.LAST_CALL, Request(MOST_FOUND + 1, True), viewer.scope), find=panel.roster.find
    )
    rows = [row for row in page.rows if row.id != lead.id][:MOST_FOUND]
    return render(
        request, "leads/find_double.html", status=422 if query.errors else 200, lead=lead, query=query, rows=rows
    )


async def _merge_page(request: web.Request, session: AsyncSession, lead: LeadCard, other_id: int) -> web.Response:
    if other_id == lead.id:
        raise strange_address()
    other = await open_lead_card(session, viewer_of(request), other_id)
    by_age = {Age(card.created_at, card.id): card for card in (lead, other)}
    survivor, gone = (by_age[age] for age in older_first(*by_age))
    return render(request, "leads/merge.html", lead=lead, other=other, survivor=survivor, gone=gone)
