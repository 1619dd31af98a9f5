"""Reads and writes rows of table `call` in batches; the statements are built once, so that a call costs little."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, bindparam, select

from leads.domain.calls import CallView, Phase, Result, Role
from leads.domain.follow_up import Outcome, outcome_of
from leads.domain.intake import Intake, Judgement, has_failed_outside
from leads.domain.views import Halves
from leads.store.bulk import time_for, write_rows
from leads.store.call_rows import cleaned, columns_of, halves_of
from leads.store.models import Call
from leads.store.people_of_calls import NOBODY, CallPerson

_CALL: Table = Call.metadata.tables["call"]
_Key = tuple[str, str]


class StoredCall:
    """One call on its way to its row: the views' sum, its columns, and the person it is with."""

    def __init__(self, halves: Halves, kept: Row[Any] | None, now: datetime) -> None:
        self.view: CallView = halves.sum()
        self.columns: dict[str, Any] = columns_of(halves, kept.started_at if kept else now)
        self.id: int | None = kept.id if kept else None
        self.person: CallPerson = _person_of(kept) if kept else NOBODY
        self.judgement: Judgement
        self._kept = kept

    def judge(self, intake: Intake) -> None:
        """Find out what the call means."""
        self.view = intake.as_meant(self.view)
        self.columns |= {"direction": self.view.direction, "result": self.view.result}
        self.judgement = intake.judge(self.view)

    @property
    def own_id(self) -> str:
        """What tells the call from all others, also of other Asterisks; fits `lead.first_talk_call`."""
        return f"{self.view.pbx} {self.view.linkedid}"[:150]

    @property
    def is_news_to_lead(self) -> bool:
        """Whether the lead may not know yet that there was a call at this time."""
        kept = self._kept
        return kept is None or (kept.started_at, kept.lead_id) != (self.columns["started_at"], self.person.lead_id)

    @property
    def is_found_as_before(self) -> bool:
        """Whether nothing changed by which calls are found; then their indexes need not be written again."""
        kept = self._kept
        return kept is not None and (*self._found_by(), self.columns["started_at"]) == tuple(kept)[-_FOUND_BY:]

    @property
    def ends_now(self) -> bool:
        """Whether the call was on record as running and has just ended."""
        return self._kept is not None and self._kept.phase is not Phase.ENDED and self.view.phase is Phase.ENDED

    @property
    def is_known_to_talk(self) -> bool:
        """Whether a view that was written already told this conversation, of the same person, lead and time."""
        kept = self._kept
        return (
            kept is not None
            and kept.phase is Phase.TALKING
            and kept.answered_at == self.columns["answered_at"]
            and self.is_found_as_before
        )

    @property
    def _origin(self) -> tuple[str | None, int | None]:
        """Channel and source: those that the dialled number had when it was first known, whatever it has now."""
        kept = self._kept
        if kept is not None and kept.did is not None:
            return kept.channel, kept.source_id
        return self.judgement.channel, self.judgement.source_id

    @property
    def news_of_end(self) -> Outcome | None:
        """How the call ended, if its row does not say so already: what follows from it is done once."""
        outcome = outcome_of(self.view.role, self.view.phase, self.view.direction, self.view.result)
        kept = self._kept
        told = None if kept is None else outcome_of(kept.role, kept.phase, kept.direction, kept.result)
        return None if outcome is told else outcome

    @property
    def has_failed_outside(self) -> bool:
        """Whether it was a call out that came to nothing."""
        return has_failed_outside(self.view)

    @property
    def conversed_at(self) -> datetime:
        """When the conversation began, as far as anybody knows."""
        at: datetime = self.columns["answered_at"] or self.columns["started_at"]
        return at

    @property
    def has_talked(self) -> bool:
        """Whether it was a conversation of its own and is over."""
        view = self.view
        return view.phase is Phase.ENDED and view.result is Result.ANSWERED and view.role is Role.CALL

    @property
    def talked_until(self) -> datetime:
        """When the conversation ended, as far as anybody knows."""
        at: datetime = self.columns["ended_at"] or self.columns["started_at"]
        return at

    def progress_row(self, connection: Connection) -> list[Any]:
        """The values of `_PROGRESS`."""
        columns = self.columns
        return [
            *[columns[name] for name in _PLAIN],
            *[time_for(connection, columns[name]) for name in _TIMES],
            *[_json(columns[name]) for name in _JSON],
        ]

    def row(self, connection: Connection) -> list[Any]:
        """The values of `_COLUMNS`."""
        started_at = time_for(connection, self.columns["started_at"])
        return [*self.progress_row(connection), *self._found_by(), started_at]

    def _found_by(self) -> tuple[Any, ...]:
        judged, person = self.judgement, self.person
        return (
            judged.outside,
            judged.did,
            *self._origin,
            judged.employee_id,
            person.lead_id,
            person.counterparty_id,
            person.contact_person_id,
        )


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


def _kept(connection: Connection, keys: Sequence[_Key]) -> dict[_Key, Row[Any]]:
    """What is known of these calls, without what only matters in rare cases."""
    by_pbx: dict[str, list[str]] = {}
    for pbx, linkedid in keys:
        by_pbx.setdefault(pbx, []).append(linkedid)
    return {
        (row.pbx, row.linkedid): row
        for pbx, linkedids in by_pbx.items()
        for row in connection.execute(_KEPT, {"of_pbx": pbx, "linkedids": linkedids})
    }


def _halves_of_row(connection: Connection, row: Row[Any], views: Sequence[CallView]) -> Halves:
    """The views behind a row; the whole row is read only where views of both kinds meet."""
    kind = (row.incomplete, row.recovered)
    if row.halves is None and not row.recovered and all((view.incomplete, view.recovered) == kind for view in views):
        best = max(views, key=lambda view: (view.phase, view.progress))
        if (best.phase, best.progress) > (row.phase, row.progress):
            return Halves()
    return halves_of(connection.execute(select(_CALL).where(_CALL.c.id == row.id)).mappings().one())


def insert_calls(connection: Connection, calls: Sequence[StoredCall]) -> None:
    """Write new rows."""
    write_rows(connection, _INSERT, [[call.view.pbx, call.view.linkedid, *call.row(connection)] for call in calls])


def update_calls(connection: Connection, calls: Sequence[StoredCall]) -> None:
    """Write rows anew."""
    same = [[*call.progress_row(connection), call.id] for call in calls if call.is_found_as_before]
    write_rows(connection, _UPDATE_PROGRESS, same)
    write_rows(connection, _UPDATE, [[*call.row(connection), call.id] for call in calls if not call.is_found_as_before])


def keep_decisions(connection: Connection, decisions: Iterable[tuple[str, str, datetime, Mapping[str, Any]]]) -> None:
    """Keep the last decision of each call, by Asterisk server and linkedid."""
    rows = [
        (pbx, linkedid, time_for(connection, at), json.dumps(decision)) for pbx, linkedid, at, decision in decisions
    ]
    write_rows(connection, _KEEP_DECISION, rows)


def _json(value: Any) -> str | None:
    """As SQLAlchemy writes it."""
    if not value:
        return None if value is None else "[]"
    return json.dumps(value)


def _person_of(row: Row[Any]) -> CallPerson:
    return CallPerson(row.lead_id, row.counterparty_id, row.contact_person_id)


_PLAIN = (
    "role",
    "parent_linkedid",
    "phase",
    "progress",
    "direction",
    "caller",
    "caller_name",
    "dialled",
    "result",
    "answered_by",
    "ring_seconds",
    "talk_seconds",
    "incomplete",
    "recovered",
)
_TIMES = ("answered_at", "ended_at")
_JSON = ("transfers", "legs", "halves")
_PROGRESS = (*_PLAIN, *_TIMES, *_JSON)
_FOUND = (
    *("outside_number", "did", "channel", "source_id", "employee_id"),
    *("lead_id", "counterparty_id", "contact_person_id", "started_at"),
)
_FOUND_BY = len(_FOUND)
_COLUMNS = (*_PROGRESS, *_FOUND)

_KEPT = select(
    *(
        _CALL.c[name]
        for name in (
            *("id", "pbx", "linkedid", "phase", "progress", "incomplete", "recovered", "halves", "answered_at"),
            *("role", "direction", "result"),
            *_FOUND,
        )
    )
).where(_CALL.c.pbx == bindparam("of_pbx"), _CALL.c.linkedid.in_(bindparam("linkedids", expanding=True)))


def _update(columns: Sequence[str]) -> str:
    return f"UPDATE call SET {', '.join(f'{name} = ?' for name in columns)} WHERE id = ?"  # noqa: S608 - our columns


_INSERT = f"INSERT INTO call (pbx, linkedid, {', '.join(_COLUMNS)}) VALUES (?, ?{', ?' * len(_COLUMNS)})"  # noqa: S608
_UPDATE, _UPDATE_PROGRESS = _update(_COLUMNS), _update(_PROGRESS)
_KEEP_DECISION = """
    INSERT INTO routing_decision (pbx, linkedid, decided_at, decision) VALUES (?, ?, ?, ?)
    ON CONFLICT (pbx, linkedid) DO UPDATE SET decided_at = excluded.decided_at, decision = excluded.decision
    WHERE routing_decision.decided_at < excluded.decided_at
"""
