"""The table of work that changes hands, and how far each hand-over has come (L8, K2)."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from leads.store.base import Base, partial_index, values_of


class HandoverKind(StrEnum):
    """What changes hands: the open leads of a list, or all that a leaver was in charge of."""

    LIST = "list"
    LEAVER = "leaver"


class HandoverState(StrEnum):
    """How far it has come."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"


class StopReason(StrEnum):
    """Why it stopped before its end: whoever began it wanted so or may not do it any more, and so on.

    `RECEIVER`: who gets the work does not work here any more; `RETURNED`: the leaver works here again; `TROUBLE`: a
    mistake of ours.
    """

    ASKED = "asked"
    RIGHTS = "rights"
    RECEIVER = "receiver"
    RETURNED = "returned"
    TROUBLE = "trouble"


_RUNNING = "state = 'running'"


class Handover(Base):
    """One hand-over, as `employee_id` asked for it; a server carries it out in pieces.

    `wanted` is what the list is narrowed to, kept only while it is needed, `until` the last lead that there was when it
    was asked, `place` the last one that had its turn. `counts` says what became of how many of the `total`. `runner` is
    the server that is at it, `moved_at` when it last got on: one that does not has lost its server.
    """

    __tablename__ = "handover"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[HandoverKind] = mapped_column(values_of(HandoverKind))
    employee_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id"))
    from_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id"))
    to_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id"))
    wanted: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    until: Mapped[int] = mapped_column(default=0)
    place: Mapped[int] = mapped_column(default=0)
    total: Mapped[int]
    counts: Mapped[dict[str, int]] = mapped_column(JSON)
    state: Mapped[HandoverState] = mapped_column(values_of(HandoverState), default=HandoverState.RUNNING)
    reason: Mapped[StopReason | None] = mapped_column(values_of(StopReason))
    runner: Mapped[str] = mapped_column(default="")
    started_at: Mapped[datetime]
    moved_at: Mapped[datetime]

    __table_args__ = (
        Index("ix_handover_employee_id_id", "employee_id", "id"),
        partial_index("ix_handover_running", "id", where=_RUNNING),
        # Two that take from one leaver would each get an unknown part.
        partial_index("uq_handover_from_id", "from_id", where=_RUNNING, unique=True),
    )
