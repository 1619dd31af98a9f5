"""What leads were at a past moment: status, responsible, open or closed, by key; reports count by it (R1).

The history of a card is for people: it keeps names, and who changed them. Here the database itself keeps each state
that a lead leaves, by triggers, so that nobody who changes leads can forget to, and figures of a past period stay as
they were. A lead that never changed costs nothing here.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Label, Subquery, and_, case, func, select
from sqlalchemy.orm import Mapped, mapped_column

from leads.store.models import Base, Lead


class LeadPast(Base):
    """A state that a lead had until a moment; the state before a moment is the first row from it on, else the lead's.

    A status or an employee that was removed is empty.
    """

    __tablename__ = "lead_past"
    id: Mapped[int] = mapped_column(primary_key=True)
    lead_id: Mapped[int] = mapped_column(ForeignKey("lead.id", ondelete="CASCADE"))
    until: Mapped[datetime]
    status_id: Mapped[int | None] = mapped_column(ForeignKey("lead_status.id", ondelete="SET NULL"))
    responsible_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", ondelete="SET NULL"))
    closed: Mapped[bool]

    __table_args__ = (
        Index("ix_lead_past_until", "until"),
        Index("ix_lead_past_lead_id_until", "lead_id", "until"),
    )


def leads_at(moment: datetime) -> Subquery:
    """All leads but those merged away, as they were just before `moment`; one made later as it began.

    Columns: id, source_id, created_at, converted_at (as now; None where it is not known which counterparty a lead of a
    file became), and of then: status_id, responsible_id, closed.
    """
    place = func.row_number().over(partition_by=LeadPast.lead_id, order_by=LeadPast.id).label("place")
    later = select(LeadPast, place).where(LeadPast.until >= moment).subquery("later")
    was = and_(later.c.lead_id == Lead.id, later.c.place == 1)

    def then(name: str, now: object) -> "Label[object]":
        return case((later.c.lead_id.is_not(None), later.c[name]), else_=now).label(name)

    return (
        select(
            Lead.id,
            Lead.source_id,
            Lead.created_at,
            case((Lead.counterparty_id.is_not(None), Lead.closed_at)).label("converted_at"),
            then("status_id", Lead.status_id),
            then("responsible_id", Lead.responsible_id),
            then("closed", Lead.closed_at.is_not(None)),
        )
        .outerjoin(later, was)
        .where(Lead.merged_into_id.is_(None))
        .subquery("lead_then")
    )
