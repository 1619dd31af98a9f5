"""The audit log for administrators: who did what, with the values before and after (X5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from leads.admin.audit_words import FIELDS, KINDS, OF_KIND, PEOPLE, WITH_HISTORY
from leads.admin.cards import spoken_value
from leads.admin.context import admin_only, panel_of
from leads.admin.forms import Query
from leads.admin.i18n import N_, _
from leads.admin.rendering import render, word
from leads.admin.words import WORDS
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
        lines=[_shown(line, dict(people)) for line in lines[:PAGE_SIZE]],
        older=query.url(before=lines[PAGE_SIZE - 1].id) if len(lines) > PAGE_SIZE else None,
        newest=query.url(before=None) if before else None,
        people=people,
        kinds=[(name, _(word)) for name, word in KINDS.items()],
        who=who,
        kind=kind,
    )


def _shown(line: LogLine, names: Mapping[int, str]) -> ShownLine:
    def said(values: Mapping[str, Any], field: str) -> str:
        return (names.get(values.get(field, 0)) if field in PEOPLE else None) or _value(line.kind, values, field)

    address = CARDS.get(line.kind)
    gone = line.what in (What.REMOVED, What.ERASED)
    return ShownLine(
        line.at,
        line.who or _("Leadline itself"),
        _(DEEDS.get(What(line.what), line.what)),
        _(KINDS[line.kind]) if line.kind in KINDS else line.kind.replace("_", " "),
        line.object_id,
        address.format(line.object_id) if address and line.object_id and not gone else None,
        [
            (_field(line.kind, name), said(line.before, name), said(line.after, name))
            for name in {**line.before, **line.after}
        ],
        line.erased_at is not None,
    )


def _field(kind: str, name: str) -> str:
    word = OF_KIND.get((kind, name)) or FIELDS.get(name)
    return _(word) if word else name.replace("_", " ")


def _value(kind: str, values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None or value in ("", []):
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, str) and kind in WITH_HISTORY:
        value = spoken_value(name, value)
    elif name in ("role", "display_mode") and value in WORDS:
        value = word(value)
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
