"""Which leads a counterparty's numbers may be taken from: those that the person saw, and may close (L6, X1)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.lead_life import has_an_owner
from leads.domain.visibility import Scope
from leads.store import cards
from leads.store.cards import CardError, Owner
from leads.store.models import Employee, Lead
from leads.store.visibility import lead_is_visible


class LeadsToCloseError(CardError):
    """The numbers are on active leads that nobody was asked about; `leads` are those, for a person to decide (L6)."""

    def __init__(self, leads: tuple[Owner, ...]) -> None:
        super().__init__(f"leads {[lead.id for lead in leads]} have these numbers")
        self.leads = leads


@dataclass(frozen=True, slots=True)
class Decided:
    """The leads that a person was asked about, and those of them that shall close; the others keep their numbers."""

    asked: frozenset[int] = frozenset()
    close: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Stake:
    """An open lead that a save is about: whose it is, and whether this person may see it, and close it."""

    lead: Owner
    responsible: str | None
    visible: bool
    may_close: bool


async def stakes(session: AsyncSession, leads: Iterable[int], scope: Scope) -> list[Stake]:
    """Those of these leads that are open, as somebody with this scope is asked about them."""
    rows = await session.execute(
        select(Lead, Employee.name)
        .outerjoin(Employee, Employee.id == Lead.responsible_id)
        .where(Lead.id.in_(list(leads)), Lead.closed_at.is_(None))
        .order_by(Lead.id)
    )
    return [await _stake(session, lead, name, scope) for lead, name in rows.all()]


async def _stake(session: AsyncSession, lead: Lead, responsible: str | None, scope: Scope) -> Stake:
    visible = await lead_is_visible(session, lead.id, scope)
    talked = lead.first_talk_at is not None
    owned = has_an_owner(named=lead.named, chosen=lead.responsible_by_hand, talked=talked, saves=lead.version - 1)
    owner = Owner(lead.id, lead.name, lead.responsible_id)
    return Stake(owner, responsible, visible, may_close=visible or not owned)


async def leads_that_stay(
    session: AsyncSession, numbers: Collection[str], decided: Decided | None, scope: Scope, but: Lead | None
) -> dict[str, Owner]:
    """Of these numbers, which are locked, those of leads that do not close, so that they cannot leave them (L7).

    Args:
        session: one that writes.
        numbers: what the counterparty would get.
        decided: what the person said of the leads with these numbers; None: all close that he may close.
        scope: whose leads he may see.
        but: the lead that closes in any case.

    Raises:
        LeadsToCloseError: he was not asked about one of them.
    """
    if decided is None and scope is None:
        return {}
    found = {
        number: lead
        for number, lead in (await cards.active_leads_with(session, numbers)).items()
        if but is None or lead.id != but.id
    }
    owners = {lead.id: Owner(lead.id, lead.name, lead.responsible_id) for lead in found.values()}
    if decided is not None and not owners.keys() <= decided.asked:
        # About all of them, because the form shows one list.
        raise LeadsToCloseError(tuple(owners.values()))
    wanted = owners.keys() if decided is None else owners.keys() & decided.close
    close = {stake.lead.id for stake in await stakes(session, wanted, scope) if stake.may_close}
    return {number: owners[lead.id] for number, lead in found.items() if lead.id not in close}
