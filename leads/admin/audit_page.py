"""The audit log for administrators: who did what, with the values before and after (X5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from leads.admin.cards import FIELDS
from leads.admin.context import admin_only, panel_of
from leads.admin.forms import Query
from leads.admin.i18n import N_, _
from leads.admin.rendering import render
from leads.store.audit import What
from leads.store.audit_log import LogLine, log_lines
from leads.store.leads import employees

PAGE_SIZE = 100
LONGEST_VALUE = 300

DEEDS = {
    What.ADDED: N_("added"),
    What.CHANGED: N_("changed"),
    What.REMOVED: N_("removed"),
    What.ERASED: N_("erased for good"),
    What.EXPORTED: N_("exported"),
    What.SIGNED_IN: N_("signed in"),
    What.SIGNED_OUT: N_("signed out everywhere"),
}
KINDS = {
    "lead": N_("Lead"),
    "counterparty": N_("Counterparty"),
    "employee": N_("Employee"),
    "employee_mobile": N_("Own mobile"),
    "extension": N_("Phone"),
    "ring_group": N_("Group"),
    "did": N_("Our number"),
    "ignored_number": N_("Ignored number"),
    "recording": N_("Recording"),
    "recording_setting": N_("Which calls are recorded"),
    "retention": N_("How long things are kept"),
    "lead_status": N_("Status of leads"),
    "counterparty_status": N_("Status of counterparties"),
}
"""By the table's name; one that is not here is called by it."""
CARDS = {
    "lead": "/leads/{}",
    "counterparty": "/counterparties/{}",
    "employee": "/company/employees/{}",
    "ring_group": "/company/groups/{}",
    "did": "/company/numbers/{}",
}

routes = web.RouteTableDef()


@dataclass(frozen=True, slots=True)
class ShownLine:
    """One entry in words; `changes` are field, value before, value after."""

    at: datetime
    who: str
    deed: str
    kind: str
    object_id: int | None
    href: str | None
    changes: Sequence[tuple[str, str, str]]
    erased: bool


@routes.get("/company/audit")
@admin_only
async def audit_page(request: web.Request) -> web.Response:
    """One page of the log, the newest first."""
    query = Query(request)
    who, kind, before = query.identifier("who"), query.text("kind", 40) or None, query.identifier("before")
    async with panel_of(request).database.read() as session:
        lines = await log_lines(session, employee_id=who, kind=kind, before_id=before, most=PAGE_SIZE + 1)
        people = await employees(session)
    return render(
        request,
        "access/audit.html",
        query=query,
        lines=[_shown(line) for line in lines[:PAGE_SIZE]],
        older=query.url(before=lines[PAGE_SIZE - 1].id) if len(lines) > PAGE_SIZE else None,
        newest=query.url(before=None) if before else None,
        people=people,
        kinds=[(name, _(word)) for name, word in KINDS.items()],
        who=who,
        kind=kind,
    )


def _shown(line: LogLine) -> ShownLine:
    address = CARDS.get(line.kind)
    gone = line.what in (What.REMOVED, What.ERASED)
    return ShownLine(
        line.at,
        line.who or _("Leadline itself"),
        _(DEEDS.get(What(line.what), line.what)),
        _(KINDS[line.kind]) if line.kind in KINDS else line.kind.replace("_", " "),
        line.object_id,
        address.format(line.object_id) if address and line.object_id and not gone else None,
        [(_field(name), _value(line.before, name), _value(line.after, name)) for name in {**line.before, **line.after}],
        line.erased_at is not None,
    )


def _field(name: str) -> str:
    return _(FIELDS[name]) if name in FIELDS else name.replace("_", " ")


def _value(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
