"""Leads: the list, the card, and what happens when two people save one (L3, L10)."""

from collections.abc import Collection
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from leads.admin import cards as pages
from leads.admin.context import Panel, Viewer, panel_of, viewer_of
from leads.admin.dialling import call_buttons
from leads.admin.events import events_of
from leads.admin.forms import ID, Form
from leads.admin.guard import form_of
from leads.admin.i18n import _
from leads.admin.lists import Asked, read_list
from leads.admin.planning import caller_rings, card_plans, planning_of, step_text
from leads.admin.refusals import no_such_lead
from leads.admin.rendering import number_text, redirect, render, status_word
from leads.admin.seen import seen_lead
from leads.admin.tasks import card_work
from leads.domain.intake import numbers_without_leads
from leads.domain.numbers import read_number
from leads.domain.statuses import StatusSet
from leads.store.cards import (
    ConflictError,
    LeadClosedError,
    NoSuchCardError,
    NumberOnCounterpartyError,
    NumberTakenError,
    NumberWithoutLeadError,
    WrongFieldError,
    read_numbers,
)
from leads.store.handovers import begun_by
from leads.store.lead_card import UNCHANGED, LeadCard, LeadEdit, create_lead, save_lead
from leads.store.leads import (
    NOBODY,
    LeadFilter,
    LeadOrder,
    LeadState,
    employees,
    list_leads,
    status_counts,
)
from leads.store.merging import merged_into
from leads.store.people_of_calls import CallPerson
from leads.store.plans import HandDateError
from leads.store.sources import source_choices, source_names
from leads.store.statuses import status_names
from leads.store.visibility import counterparty_is_visible, lead_is_visible

NO_SOURCE = "none"

_REFUSALS = (NumberTakenError, NumberOnCounterpartyError, NumberWithoutLeadError, WrongFieldError)
routes = web.RouteTableDef()


@routes.get("/leads")
async def lead_list(request: web.Request) -> web.Response:
    """One page of the leads that the viewer may see."""
    return await show_list(request)


async def show_list(
    request: web.Request, *, ticked: Collection[int] = (), to: str = "", problem: str = ""
) -> web.Response:
    """The page of the list that the address asks for; after a `problem` with giving leads away, as it was sent.

    Args:
        request: whose address has the list's query.
        ticked: the leads that were ticked.
        to: who was chosen to get them.
        problem: what is missing.
    """
    panel, viewer = panel_of(request), viewer_of(request)
    wanted, asked = asked_leads(request, forgiving=True)
    asked.query.path = "/leads"
    async with panel.database.read() as session:
        page = await list_leads(session, wanted, asked.sort, asked.place, viewer.scope, find=panel.roster.find)
        people = await employees(session)
        people_here = await pages.people_choices(session)
        status_names = await pages.status_choices(session)
        counts = await status_counts(session, wanted, viewer.scope)
        sources = await source_names(session)
        given = await begun_by(session, viewer.id, running=True) if viewer.answers_for_others else []
    return render(
        request,
        "leads/list.html",
        status=422 if asked.query.errors or problem else 200,
        **asked.shown(),
        ticked=ticked,
        to=to,
        problem=problem,
        page=page,
        wanted=wanted,
        people=people,
        people_here=people_here,
        supervises=viewer.answers_for_others,
        back=request.rel_url.raw_query_string,
        statuses=status_names,
        counts=counts,
        sources=sources,
        narrowed=wanted != LeadFilter(),
        total=pages.total_text(page.total),
        given=given,
    )


def asked_leads(request: web.Request, *, forgiving: bool = False) -> tuple[LeadFilter, Asked[LeadOrder]]:
    """What the address of the list, or of its export, asks for; see `read_list`."""
    newest_first = (LeadOrder.LAST_CALL, LeadOrder.CREATED)
    asked = read_list(request, LeadOrder.LAST_CALL, newest_first, forgiving=forgiving)
    wanted = LeadFilter(
        search=asked.search,
        state=LeadState(asked.query.choice("state", set(LeadState), LeadState.OPEN)),
        status_id=asked.query.identifier("status"),
        responsible_id=asked.responsible_id,
        source_id=NOBODY if asked.query.text("source") == NO_SOURCE else asked.query.identifier("source"),
        name=asked.query.words("name"),
        number=asked.number(panel_of(request).region),
        created=asked.days("created"),
        last_call=asked.days("last-call"),
    )
    return wanted, asked


@routes.get("/leads/new")
async def new_lead(request: web.Request) -> web.Response:
    """An empty card."""
    panel, viewer = panel_of(request), viewer_of(request)
    async with panel.database.read() as session:
        first = next((identity for identity, _name in await status_names(session, StatusSet.LEADS)), None)
        form = Form.filled(status_id=first, responsible_id=viewer.id, number=[request.query.get("number", "")[:40]])
        return await _new_page(request, session, form)


@routes.post("/leads")
async def create(request: web.Request) -> web.Response:
    """Make a lead by hand."""
    panel, viewer = panel_of(request), viewer_of(request)
    form = form_of(request)
    edit = _read_edit(form, panel)
    taken: Exception | None = None
    if not form.errors:
        try:
            lead_id = await create_lead(
                panel.database,
                edit,
                by=viewer.id,
                clock=panel.clock,
                region=panel.region,
                scope=viewer.scope,
                merge_with=form.identifier("merge"),
                never_leads=numbers_without_leads(panel.directory.current),
            )
        except (NoSuchCardError, LeadClosedError):
            raise no_such_lead() from None
        except _REFUSALS as error:
            taken = _refused(form, error, panel.region)
        else:
            return await _saved(request, lead_id, _("The lead is made."))
    async with panel.database.read() as session:
        return await _new_page(request, session, form, taken=taken, status=422)


@routes.get(f"/leads/{ID}")
async def lead_page(request: web.Request) -> web.Response:
    """A lead's card; the address of one that was merged leads to the card that it went into, if that may be seen."""
    panel, viewer = panel_of(request), viewer_of(request)
    async with panel.database.read() as session:
        survivor = await merged_into(session, int(request.match_info["id"]))
        if survivor is not None:
            if not await lead_is_visible(session, survivor, viewer.scope):
                raise no_such_lead()
            return redirect(request, f"/leads/{survivor}")
        card = await _load(session, request, viewer)
        return await _card_page(request, session, card, _filled(card))


@routes.post(f"/leads/{ID}")
async def save(request: web.Request) -> web.Response:
    """Save what was typed, or show why not, with nothing of it lost."""
    panel, viewer = panel_of(request), viewer_of(request)
    form = form_of(request)
    lead_id, merge_with = int(request.match_info["id"]), form.identifier("merge")
    # Whose caller rings has his card open before; another's lead he does not get at by way of it.
    rings = merge_with is None and caller_rings(request, CallPerson(lead_id=lead_id))
    edit = _read_edit(form, panel)
    refused: Exception | None = None
    if not form.errors:
        try:
            saved = await save_lead(
                panel.database,
                lead_id,
                form.version(),
                edit,
                by=viewer.id,
                clock=panel.clock,
                region=panel.region,
                scope=None if rings else viewer.scope,
                planning=planning_of(panel, form),
                merge_with=merge_with,
                never_leads=numbers_without_leads(panel.directory.current),
            )
        except NoSuchCardError:
            raise no_such_lead() from None
        except LeadClosedError as error:
            refused = error
        except (*_REFUSALS, ConflictError, HandDateError) as error:
            refused = _refused(form, error, panel.region)
        else:
            return await _saved(request, saved.id, " ".join(filter(None, (_("Saved."), step_text(saved.step)))))
    async with panel.database.read() as session:
        card = await _load(session, request, viewer)
        if isinstance(refused, ConflictError):
            form = await _beside(session, form, edit, card, panel.region)
            if not form.theirs:
                return await _saved(request, lead_id, _("Somebody else has just saved the same."))
        late = bool(form.theirs) or isinstance(refused, LeadClosedError)
        return await _card_page(request, session, card, form, refused=refused, status=409 if late else 422)


def _filled(card: LeadCard) -> Form:
    return Form.filled(
        version=card.version,
        name=card.typed_name,
        number=[number_text(number) for number in card.numbers],
        email=card.email,
        address=card.address,
        comment=card.comment,
        language=card.language,
        status_id=card.status_id,
        responsible_id=card.responsible_id,
        responsible_seen=card.responsible_id or "",
        source_id=card.source_id,
    )


def _read_edit(form: Form, panel: Panel) -> LeadEdit:
    """The card as it was typed; what is wrong with it is in the form's errors."""
    numbers = pages.read_numbers(form, "number", form.values("number"), panel.region)
    if not numbers:
        form.fail("number.0", _("A lead has at least one number."))
    status = form.identifier("status_id")
    if status is None:
        form.fail("status_id", _("Choose one of the list."))
    untouched = form.values("responsible_seen") == [form.value("responsible_id")]
    return LeadEdit(
        name=form.text("name"),
        numbers=numbers,
        email=pages.read_email(form, "email"),
        address=form.text("address", longest=500),
        comment=form.text("comment", longest=10_000, lines=True),
        language=pages.read_language(form, "language"),
        status_id=status or 0,
        responsible_id=UNCHANGED if untouched else form.identifier("responsible_id"),
        source_id=form.identifier("source_id"),
    )


def _refused(form: Form, error: Exception, region: str) -> Exception:
    """Put a refusal of the store beside the field that it is about."""
    if isinstance(error, NumberTakenError):
        text = _("%(number)s is on another open lead.", number=number_text(error.number))
        form.fail(_row_of(form, error.number, region), text)
    elif isinstance(error, NumberOnCounterpartyError):
        text = _("%(number)s belongs to a counterparty.", number=number_text(error.number))
        form.fail(_row_of(form, error.number, region), text)
    elif isinstance(error, NumberWithoutLeadError):
        text = _(
            "%(number)s is one of our own or an ignored number; it makes no lead.", number=number_text(error.number)
        )
        form.fail(_row_of(form, error.number, region), text)
    elif isinstance(error, WrongFieldError):
        form.fail(f"number.{error.row}" if error.field == "numbers" else error.field, _("Choose one of the list."))
    return error


def _row_of(form: Form, number: str, region: str) -> str:
    """The row of the form in which `number` was typed, in whatever writing."""
    rows = [read_number(typed, region).text for typed in form.values("number")]
    return f"number.{rows.index(number) if number in rows else 0}"


async def _beside(session: AsyncSession, form: Form, edit: LeadEdit, card: LeadCard, region: str) -> Form:
    """The same form to be saved knowingly: with the present version, and beside each field what is saved now."""
    people, words = dict(await employees(session)), dict(pages.language_choices())
    form = form.replaced(version=card.version, responsible_seen=card.responsible_id or "")
    responsible = form.identifier("responsible_id")
    pages.put_beside(
        form,
        ("name", edit.name, card.typed_name, card.typed_name),
        ("email", edit.email, card.email, card.email),
        ("address", edit.address, card.address, card.address),
        ("comment", edit.comment, card.comment, card.comment),
        ("language", edit.language, card.language, words.get(card.language or "", "")),
        ("status_id", edit.status_id, card.status_id, status_word(card.status)),
        ("responsible_id", responsible, card.responsible_id, people.get(card.responsible_id or 0, "")),
        ("source_id", edit.source_id, card.source_id, card.source or ""),
        ("number", read_numbers(edit.numbers, region), card.numbers, pages.numbers_text(card.numbers)),
    )
    return form


async def _saved(request: web.Request, lead_id: int, flash: str) -> web.Response:
    """To the card, or to the list when it is not the viewer's any more."""
    panel, viewer = panel_of(request), viewer_of(request)
    async with panel.database.read() as session:
        mine = await lead_is_visible(session, lead_id, viewer.scope)
    if mine or caller_rings(request, CallPerson(lead_id=lead_id)):
        return redirect(request, f"/leads/{lead_id}", flash=flash)
    return redirect(request, "/leads", flash=_("Saved. The lead is in somebody else's hands now."))


async def _load(session: AsyncSession, request: web.Request, viewer: Viewer) -> LeadCard:
    lead_id = int(request.match_info["id"])
    calls_him = caller_rings(request, CallPerson(lead_id=lead_id))
    return await seen_lead(session, lead_id, None if calls_him else viewer.scope)


async def _card_page(
    request: web.Request,
    session: AsyncSession,
    card: LeadCard,
    form: Form,
    *,
    refused: Exception | None = None,
    status: int = 200,
) -> web.Response:
    panel, viewer = panel_of(request), viewer_of(request)
    person = CallPerson(lead_id=card.id)
    plans, work = await card_plans(session, panel, viewer, person), await card_work(session, panel, viewer, person)
    return render(
        request,
        "leads/card.html",
        status=status,
        card=card,
        form=form,
        buttons=call_buttons(panel, viewer.id, f"/leads/{card.id}"),
        statuses=await pages.status_choices(session),
        people=await pages.people_choices(session, card.responsible_id),
        sources=await source_choices(session, card.source_id),
        name_languages=pages.language_choices(),
        events=await events_of(request, session, person, plans, work),
        supervises=viewer.answers_for_others,
        plans=plans,
        work=work,
        hand_date=refused if isinstance(refused, HandDateError) else None,
        conflict=refused if isinstance(refused, ConflictError) else None,
        owner=await _owner(session, viewer, refused),
        unsaved=_unsaved(form, card) if isinstance(refused, LeadClosedError) else (),
    )


def _unsaved(form: Form, card: LeadCard) -> list[tuple[str, str]]:
    """What was typed into the card of a lead that was closed meanwhile, where it differs from what is saved."""
    saved = _filled(card)
    labels = {
        "name": _("Name"),
        "number": _("Numbers"),
        "email": _("E-mail"),
        "address": _("Address"),
        "comment": _("Comment"),
    }
    typed = {name: "\n".join(filter(None, form.values(name))) for name in labels}
    return [(labels[name], text) for name, text in typed.items() if text and text != "\n".join(saved.values(name))]


async def _new_page(
    request: web.Request, session: AsyncSession, form: Form, *, taken: Exception | None = None, status: int = 200
) -> web.Response:
    return render(
        request,
        "leads/new.html",
        status=status,
        form=form,
        statuses=await pages.status_choices(session),
        people=await pages.people_choices(session),
        sources=await source_choices(session, None),
        name_languages=pages.language_choices(),
        owner=await _owner(session, viewer_of(request), taken),
    )


async def _owner(session: AsyncSession, viewer: Viewer, refused: Exception | None) -> dict[str, Any] | None:
    """Whose the number is that was refused, for those who may see him."""
    if isinstance(refused, NumberTakenError) and await lead_is_visible(session, refused.lead.id, viewer.scope):
        lead = refused.lead
        return {"name": lead.name, "href": f"/leads/{lead.id}", "lead_id": lead.id, "counterparty_id": None}
    if isinstance(refused, NumberOnCounterpartyError) and await counterparty_is_visible(
        session, refused.counterparty.id, viewer.scope
    ):
        company = refused.counterparty
        href = f"/counterparties/{company.id}"
        return {"name": company.name, "href": href, "lead_id": None, "counterparty_id": company.id}
    return None
