"""Reads and writes rows of table `call` in batches; the statements are built once, so that a call costs little."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from leads.domain.calls import CallView
from leads.domain.intake import Intake, Judgement
from leads.domain.views import Halves
from leads.store.call_rows import cleaned, columns_of, halves_of
from leads.store.models import Call, RoutingDecision
from leads.store.people_of_calls import NOBODY, CallPerson

_CALL: Table = Call.metadata.tables["call"]
_Key = tuple[str, str]


class StoredCall:
    """One call on its way to its row: the views' sum, its columns, and the person it is with."""

    def __init__(self, halves: Halves, kept: Mapping[Any, Any] | None, now: datetime) -> None:
        self.view: CallView = halves.sum()
        self.columns: dict[str, Any] = columns_of(halves, kept, now)
        self.id: int | None = kept["id"] if kept else None
        self.person: CallPerson = _person_of(kept) if kept else NOBODY
        self.judgement: Judgement
        self._noted = (kept["started_at"], kept["lead_id"]) if kept else None

    def judge(self, intake: Intake) -> None:
        """Find out what the call means."""
        self.judgement = intake.judge(self.view)

    @property
    def is_news_to_lead(self) -> bool:
        """Whether the lead may not know yet that there was a call at this time."""
        return self._noted != (self.columns["started_at"], self.person.lead_id)

    @property
    def conversed_at(self) -> datetime:
        """When the conversation began, as far as anybody knows."""
        at: datetime = self.columns["answered_at"] or self.columns["started_at"]
        return at

    def row(self) -> dict[str, Any]:
        """All columns but the key."""
        return {
            **self.columns,
            "outside_number": self.judgement.outside,
            "did": self.judgement.did,
            "employee_id": self.judgement.employee_id,
            "lead_id": self.person.lead_id,
            "counterparty_id": self.person.counterparty_id,
            "contact_person_id": self.person.contact_person_id,
        }


def fuller_calls(connection: Connection, calls: Iterable[Sequence[CallView]], now: datetime) -> list[StoredCall]:
    """Those of the calls whose views tell more than their rows, the first begun first.

    Args:
        calls: for each call its views, in any order.
        now: stands for the time of a call of which nothing tells when it began.
    """
    clean = [[cleaned(view) for view in views] for views in calls]
    kept = _kept(connection, [(views[0].pbx, views[0].linkedid) for views in clean])
    fuller = []
    for views in clean:
        row = kept.get((views[0].pbx, views[0].linkedid))
        known = halves = _halves_of_row(connection, row, views) if row is not None else Halves()
        for view in views:
            halves = halves.with_view(view)
        if halves is not known:
            fuller.append(StoredCall(halves, row, now))
    fuller.sort(key=lambda call: (call.columns["started_at"], call.view.linkedid))
    return fuller


def _kept(connection: Connection, keys: Sequence[_Key]) -> dict[_Key, Mapping[Any, Any]]:
    """What is known of these calls, without what only matters in rare cases."""
    by_pbx: dict[str, list[str]] = {}
    for pbx, linkedid in keys:
        by_pbx.setdefault(pbx, []).append(linkedid)
    return {
        (row["pbx"], row["linkedid"]): row
        for pbx, linkedids in by_pbx.items()
        for row in connection.execute(_KEPT, {"of_pbx": pbx, "linkedids": linkedids}).mappings()
    }


def _halves_of_row(connection: Connection, row: Mapping[Any, Any], views: Sequence[CallView]) -> Halves:
    """The views behind a row; the whole row is read only where views of both kinds meet."""
    if row["halves"] is None and all(view.incomplete == row["incomplete"] for view in views):
        best = max(views, key=lambda view: (view.phase, view.progress))
        if (best.phase, best.progress) > (row["phase"], row["progress"]):
            return Halves()
    return halves_of(connection.execute(select(_CALL).where(_CALL.c.id == row["id"])).mappings().one())


def insert_calls(connection: Connection, calls: Sequence[StoredCall]) -> None:
    """Write new rows."""
    if calls:
        rows = [{"pbx": call.view.pbx, "linkedid": call.view.linkedid, **call.row()} for call in calls]
        connection.execute(_INSERT, rows)


def update_calls(connection: Connection, calls: Sequence[StoredCall]) -> None:
    """Write rows anew."""
    if calls:
        connection.execute(_UPDATE, [{"call_id": call.id, **call.row()} for call in calls])


def keep_decisions(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep the last decision of each call."""
    if rows:
        connection.execute(_KEEP_DECISION[connection.dialect.name], list(rows))


def _person_of(row: Mapping[Any, Any]) -> CallPerson:
    return CallPerson(row["lead_id"], row["counterparty_id"], row["contact_person_id"])


def _keep_decision(statement: Any) -> Any:
    return statement.on_conflict_do_update(
        index_elements=[RoutingDecision.pbx, RoutingDecision.linkedid],
        set_={"decided_at": statement.excluded.decided_at, "decision": statement.excluded.decision},
        where=RoutingDecision.decided_at < statement.excluded.decided_at,
    )


_KEPT = select(
    *(
        _CALL.c[name]
        for name in (
            "id",
            "pbx",
            "linkedid",
            "phase",
            "progress",
            "incomplete",
            "halves",
            "started_at",
            "lead_id",
            "counterparty_id",
            "contact_person_id",
        )
    )
).where(_CALL.c.pbx == bindparam("of_pbx"), _CALL.c.linkedid.in_(bindparam("linkedids", expanding=True)))
_INSERT = insert(_CALL)
_UPDATE = update(_CALL).where(_CALL.c.id == bindparam("call_id"))
_KEEP_DECISION = {
    "sqlite": _keep_decision(sqlite.insert(RoutingDecision)),
    "postgresql": _keep_decision(postgresql.insert(RoutingDecision)),
}
