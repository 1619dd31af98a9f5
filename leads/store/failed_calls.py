"""Takes back the lead that a call out made while it rang, once the call has failed: a wrong number is nobody's (L1).

While it rings, a wrong number looks like a right one. So a lead is there from the first ring, and goes again if there
was nothing but calls that failed: nobody saved it, talked with it, or has anything to do or noted about it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, exists, select

from leads.domain.calls import Direction, Phase, Result
from leads.domain.lead_life import has_an_owner
from leads.store.models import Call, Change, Lead
from leads.store.people_of_calls import NOBODY
from leads.store.planning_tables import PlannedCall
from leads.store.stored_calls import StoredCall
from leads.store.task_tables import Note, Task

_LONGEST_AGO = timedelta(days=1)
"""A lead older than its call by more is not that call's, though no other is kept any more; clocks may differ."""


def take_back_leads(connection: Connection, calls: Sequence[StoredCall]) -> None:
    """Remove the leads that only those of the calls made that failed; these are with nobody then.

    A closed lead that such a call opened again stays open: it was somebody before.
    """
    failed = [call for call in calls if call.has_failed_outside and call.person.lead_id is not None]
    if not failed:
        return
    began: dict[int | None, datetime] = {}
    for call in failed:
        at: datetime = call.columns["started_at"]
        began[call.person.lead_id] = min(at, began.get(call.person.lead_id, at))
    for call in calls:
        if not call.has_failed_outside:
            began.pop(call.person.lead_id, None)
    # Locked before it is asked what belongs to them, so that nobody can add to it any more.
    open_ones = connection.execute(_OPEN.where(Lead.id.in_(began)).order_by(Lead.id).with_for_update()).all()
    gone = [row.id for row in open_ones if row.created_at > began[row.id] - _LONGEST_AGO and not _is_somebodys(row)]
    gone = list(connection.scalars(select(Lead.id).where(Lead.id.in_(gone), *_has_only(failed)))) if gone else []
    connection.execute(delete(Lead).where(Lead.id.in_(gone)))
    for call in failed:
        if call.person.lead_id in gone:
            call.person = NOBODY


def _is_somebodys(row: Row[int, datetime, bool, bool, str | None, int]) -> bool:
    """Whether a lead is somebody's, as for whoever would take its number (decision 10)."""
    talked, saves = row.first_talk_call is not None, row.version - 1
    return has_an_owner(named=row.named, chosen=row.responsible_by_hand, talked=talked, saves=saves)


def _has_only(failed: Sequence[StoredCall]) -> list[ColumnElement[bool]]:
    """That a lead has nothing but failed calls, these among them; one that a person or a file made has a history."""
    others = exists().where(
        Call.lead_id == Lead.id,
        Call.id.not_in([call.id for call in failed if call.id is not None]),
        ~and_(Call.direction == Direction.OUTBOUND, Call.phase == Phase.ENDED, Call.result == Result.FAILED),
    )
    belongings = (exists().where(table.lead_id == Lead.id) for table in (Change, Task, Note))
    planned = exists().where(PlannedCall.lead_id == Lead.id, ~_PLANNED_BY_ITSELF)
    return [~others, ~planned, *(~one for one in belongings)]


_PLANNED_BY_ITSELF = and_(
    PlannedCall.made_by_id.is_(None),
    PlannedCall.by_hand.is_(False),
    PlannedCall.dialled_at.is_(None),
    PlannedCall.version == 1,
)
"""By the daily job, for which a lead whose first call still rings is one like all; nobody has touched it since."""
_OPEN = select(
    Lead.id, Lead.created_at, Lead.named, Lead.responsible_by_hand, Lead.first_talk_call, Lead.version
).where(Lead.closed_at.is_(None))
