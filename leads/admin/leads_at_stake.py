"""What a counterparty's form does to leads: the one it is made from, and those whose numbers it takes (L5, L6)."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from leads.admin.context import Viewer
from leads.admin.forms import Form
from leads.admin.i18n import _, ngettext
from leads.admin.rendering import number_text
from leads.store.at_stake import Decided, stakes
from leads.store.cards import Owner
from leads.store.counterparty_card import Becoming, CounterpartyCard, Saved
from leads.store.lead_card import LeadCard
from leads.store.pins import Sharer, shared_numbers
from leads.store.visibility import counterparty_is_visible, lead_is_visible


@dataclass(frozen=True, slots=True)
class AtStake:
    """A lead with numbers of the form; `name` and `href` are empty where it is not the viewer's to see.

    `responsible` is empty where it is the viewer or nobody; one that he may not close stays, whatever is ticked.
    """

    id: int
    name: str
    href: str
    responsible: str
    may_close: bool
    ticked: bool


def from_lead(lead: LeadCard) -> Form:
    """A new counterparty's form with all that is known of the lead."""
    return Form.filled(
        lead_id=lead.id,
        lead_version=lead.version,
        name=lead.typed_name,
        number=[number_text(number) for number in lead.numbers],
        email=lead.email,
        address=lead.address,
        comment=lead.comment,
        language=lead.language,
        responsible_id=lead.responsible_id,
        source_id=lead.source_id,
    )


def becoming_in(form: Form) -> Becoming | None:
    """The lead that the form's counterparty is made from, if it is made from one."""
    lead_id, version = form.identifier("lead_id"), form.identifier("lead_version")
    return None if lead_id is None or version is None else Becoming(lead_id, version)


def decided_in(form: Form) -> Decided:
    """What the person said of the leads that he was asked about."""
    return Decided(_ids(form, "asked_lead"), _ids(form, "close_lead"))


def asking_about(form: Form, leads: Iterable[Owner]) -> Form:
    """The same form with the question about these leads; those not asked about before begin ticked."""
    before = decided_in(form)
    leads = list(leads)
    ticked = [lead.id for lead in leads if lead.id in before.close or lead.id not in before.asked]
    return form.replaced(asked_lead=[lead.id for lead in leads], close_lead=ticked)


async def at_stake(session: AsyncSession, viewer: Viewer, form: Form) -> list[AtStake]:
    """The leads that the form asks about, as they are now."""
    decided = decided_in(form)
    rows = []
    for stake in await stakes(session, decided.asked, viewer.scope):
        lead = stake.lead
        name, href = (number_text(lead.name), f"/leads/{lead.id}") if stake.visible else ("", "")
        responsible = "" if lead.responsible_id == viewer.id else stake.responsible or ""
        rows.append(AtStake(lead.id, name, href, responsible, stake.may_close, lead.id in decided.close))
    return rows


async def what_was_saved(session: AsyncSession, viewer: Viewer, saved: Saved) -> str:
    """Say what a save did, also to leads; those of others are counted but not named."""
    parts = [_("Saved.")]
    if saved.closed:
        names = ", ".join(await _names(session, viewer, saved.closed))
        closed = ngettext(
            "A lead had this number and is closed now: %(names)s.",
            "%(count)s leads had these numbers and are closed now: %(names)s.",
            len(saved.closed),
            names=names,
        )
        parts.append(closed)
    if saved.kept:
        numbers = ", ".join(number_text(number) for number, _lead in saved.kept)
        parts.append(_("Left with their leads, and so not added here: %(numbers)s.", numbers=numbers))
    return " ".join(parts)


async def shared_with(
    session: AsyncSession, viewer: Viewer, card: CounterpartyCard
) -> list[tuple[str, Sharer, list[str], bool]]:
    """The card's numbers that others have too: each with who of this card has it, the others, and if one is pinned."""
    numbers = [*card.numbers, *(number for person in card.persons for number in person.numbers)]
    found = await shared_numbers(session, numbers)
    rows = []
    for number, sharers in found.items():
        mine = next(one for one in sharers if one.counterparty_id == card.id)
        others = [one for one in sharers if one.holding != mine.holding]
        names = [
            " · ".join(filter(None, (one.person, one.name)))
            if await counterparty_is_visible(session, one.counterparty_id, viewer.scope)
            else _("another counterparty")
            for one in others
        ]
        rows.append((number, mine, names, any(one.pinned for one in others)))
    return rows


async def _names(session: AsyncSession, viewer: Viewer, leads: Iterable[Owner]) -> list[str]:
    return [
        number_text(lead.name)
        if await lead_is_visible(session, lead.id, viewer.scope)
        else _("another employee's lead")
        for lead in leads
    ]


def _ids(form: Form, name: str) -> frozenset[int]:
    return frozenset(
        identity for typed in form.values(name) if (identity := form.identifier(name, typed=typed)) is not None
    )
