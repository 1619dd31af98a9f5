"""Makes one lead of two: the older survives, and nothing of the other is lost (L15)."""

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from leads.domain.clock import Clock
from leads.domain.lead_life import (
    Age,
    earlier,
    later,
    merged_comment,
    merged_name,
    merged_numbers,
    merged_text,
    older_first,
)
from leads.domain.visibility import Scope
from leads.store import cards
from leads.store.belongings import move_belongings
from leads.store.cards import Journal, WrongFieldError
from leads.store.closing import numbers_of, open_lead
from leads.store.engine import Database, lock_calls
from leads.store.last_talks import hand_on_talks
from leads.store.lock_order import locked_in_order
from leads.store.models import Lead
from leads.store.people_of_calls import CallPerson
from leads.store.search import search_text, sort_key


async def merge_leads(
    database: Database,
    lead_id: int,
    version: int,
    other_id: int,
    *,
    by: int | None,
    clock: Clock,
    scope: Scope = None,
) -> int:
    """Make one lead of two active ones; returns the survivor's key.

    Args:
        database: where they are.
        lead_id: the lead whose card the person saw, in that `version`.
        version: of that card.
        other_id: the other lead.
        by: the employee who merges.
        clock: tells the present moment, UTC.
        scope: whose leads he may see; None for all.

    Raises:
        CardError: it is refused, and the database is as before; see leads.store.cards.
    """
    if lead_id == other_id:
        raise WrongFieldError("other", str(other_id))
    async with database.write() as session:
        await keep_calls_away(session)
        await cards.lock(session, await numbers_of(session, lead_id, other_id))
        await lock_to_merge(session, lead_id, other_id)
        versions = {lead_id: version, other_id: None}
        leads = [await open_lead(session, each, versions[each], scope) for each in sorted(versions)]
        return await merge(session, leads[0], leads[1], clock(), by)


async def lock_to_merge(session: AsyncSession, *lead_ids: int) -> None:
    """Lock two leads, and those that were merged into them before: their addresses will lead elsewhere."""
    await session.execute(locked_in_order(Lead, or_(Lead.id.in_(lead_ids), Lead.merged_into_id.in_(lead_ids))))


async def keep_calls_away(session: AsyncSession) -> None:
    """Make the writer of calls wait until this transaction ends: it would give a call back to the lead it came from."""
    await (await session.connection()).run_sync(lock_calls)


async def merge(session: AsyncSession, one: Lead, other: Lead, now: datetime, by: int | None) -> int:
    """Merge two active leads whose numbers and rows are locked; returns the survivor's key."""
    by_age = {Age(lead.created_at, lead.id): lead for lead in (one, other)}
    survivor, gone = (by_age[age] for age in older_first(*by_age))
    journal = Journal(now, by, lead_id=survivor.id)
    journal.note("merged", "", "; ".join((gone.name, *(row.number for row in gone.numbers))))
    await move_belongings(session, gone.id, CallPerson(lead_id=survivor.id), now)
    await _unite_numbers(session, survivor, gone, journal)
    await _unite_fields(session, survivor, gone, journal)
    survivor.updated_at = now
    gone.merged_into_id = survivor.id
    gone.closed_at = gone.updated_at = now
    session.add_all(journal.changes)
    await session.flush()
    connection = await session.connection()
    await connection.run_sync(hand_on_talks, CallPerson(lead_id=survivor.id))
    return survivor.id


async def _unite_numbers(session: AsyncSession, survivor: Lead, gone: Lead, journal: Journal) -> None:
    mine = [row.number for row in survivor.numbers]
    talks = {row.number: (row.last_talker_id, row.last_talk_at) for row in gone.numbers}
    numbers = merged_numbers(mine, talks)
    gone.numbers.clear()
    # The other's rows go before the same numbers come: a number is on one active lead at every moment.
    await session.flush()
    cards.set_numbers(survivor.numbers, numbers, on_active_lead=True)
    for row in survivor.numbers:
        if row.number in talks:
            row.last_talker_id, row.last_talk_at = talks[row.number]
    survivor.main_number = numbers[0]
    journal.note("numbers", ", ".join(mine), ", ".join(numbers))


async def _unite_fields(session: AsyncSession, survivor: Lead, gone: Lead, journal: Journal) -> None:
    """Fill the survivor's empty fields; its status stays."""
    name, named = merged_name(survivor.name, survivor.named, gone.name, gone.named)
    if not named and name in {row.number for row in survivor.numbers}:
        name = survivor.main_number
    merged = {
        "name": name,
        "email": merged_text(survivor.email, gone.email),
        "address": merged_text(survivor.address, gone.address),
        "comment": merged_comment(survivor.comment, gone.comment),
    }
    for field, value in merged.items():
        journal.note(field, getattr(survivor, field), value)
        setattr(survivor, field, value)
    survivor.named = named
    journal.note("language", survivor.language, survivor.language or gone.language)
    survivor.language = survivor.language or gone.language
    if survivor.responsible_id is None and gone.responsible_id is not None:
        journal.note("responsible", "", await cards.employee_name(session, gone.responsible_id))
        survivor.responsible_id = gone.responsible_id
    survivor.responsible_by_hand = survivor.responsible_by_hand or gone.responsible_by_hand
    survivor.last_call_at = later(survivor.last_call_at, gone.last_call_at)
    if survivor.first_talk_at is None or earlier(survivor.first_talk_at, gone.first_talk_at) != survivor.first_talk_at:
        survivor.first_talk_at, survivor.first_talk_call = gone.first_talk_at, gone.first_talk_call
    survivor.sort_name = sort_key(survivor.name)
    survivor.search_text = search_text(survivor.name, survivor.email, numbers=[row.number for row in survivor.numbers])


async def merged_into(session: AsyncSession, lead_id: int) -> int | None:
    """The lead that this one was merged into; None for one that stands by itself."""
    return await session.scalar(select(Lead.merged_into_id).where(Lead.id == lead_id))
