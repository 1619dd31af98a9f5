"""Click to call: the button at every number of a card rings the viewer's own phone, then calls that number (C11)."""

from collections import OrderedDict, deque
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from aiohttp import web

from leads.admin.context import Panel, panel_of, viewer_of
from leads.admin.forms import ID
from leads.admin.guard import form_of
from leads.admin.i18n import _
from leads.admin.rendering import number_text, redirect
from leads.admin.seen import seen_counterparty, seen_lead
from leads.domain.clock import Clock
from leads.domain.directory import Directory, Extension
from leads.domain.numbers import NumberKind, read_number
from leads.domain.rings import PhonesUnavailableError
from leads.store.callers import find_caller

PAUSE = timedelta(seconds=3)
"""Between two calls of one employee: a double click is one call."""
MOST_A_MINUTE = 12
MOST_EMPLOYEES = 10_000

routes = web.RouteTableDef()
_log = structlog.get_logger(__name__)


class Dialling:
    """Keeps one employee's clicks from ringing his phone without end."""

    def __init__(self, clock: Clock) -> None:
        """Args:
        clock: tells the present moment, UTC.
        """
        self._clock = clock
        self._calls: OrderedDict[int, deque[datetime]] = OrderedDict()

    def allow(self, employee_id: int) -> bool:
        """Whether he may start a call now; it counts as started."""
        now = self._clock()
        calls = self._calls.setdefault(employee_id, deque(maxlen=MOST_A_MINUTE))
        self._calls.move_to_end(employee_id)
        if len(self._calls) > MOST_EMPLOYEES:
            self._calls.popitem(last=False)
        if calls and calls[-1] > now:
            calls.clear()  # The clock was put back: nobody waits until it is as late again.
        if calls and now - calls[-1] < PAUSE:
            return False
        if len(calls) == MOST_A_MINUTE and now - calls[0] < timedelta(minutes=1):
            return False
        calls.append(now)
        return True


@dataclass(frozen=True, slots=True)
class CallButtons:
    """What the buttons of one card need: where they go, and the viewer's phones, of which he may have several."""

    action: str
    phones: tuple[Extension, ...]


def call_buttons(panel: Panel, employee_id: int, card: str) -> CallButtons | None:
    """The buttons of the card at address `card`; None where calls cannot be started, or he has no phone."""
    phones = phones_of(panel.directory.current, employee_id)
    return CallButtons(f"{card}/call", phones) if phones and panel.questions.phones_for(phones[0].endpoint) else None


def phones_of(directory: Directory, employee_id: int) -> tuple[Extension, ...]:
    """An employee's phones."""
    employee = directory.employees.get(employee_id)
    return employee.extensions if employee is not None else ()


@routes.post(f"/leads/{ID}/call")
async def call_lead(request: web.Request) -> web.Response:
    """Call one of a lead's numbers."""
    panel, lead_id = panel_of(request), int(request.match_info["id"])
    async with panel.database.read() as session:
        card = await seen_lead(session, lead_id, viewer_of(request).scope)
    return await _call(request, f"/leads/{lead_id}", card.numbers)


@routes.post(f"/counterparties/{ID}/call")
async def call_counterparty(request: web.Request) -> web.Response:
    """Call one of a counterparty's numbers, or one of its contact persons'."""
    panel, counterparty_id = panel_of(request), int(request.match_info["id"])
    async with panel.database.read() as session:
        card = await seen_counterparty(session, counterparty_id, viewer_of(request).scope)
    numbers = (*card.numbers, *(number for person in card.persons for number in person.numbers))
    return await _call(request, f"/counterparties/{counterparty_id}", numbers)


async def _call(request: web.Request, card: str, numbers: tuple[str, ...]) -> web.Response:
    return tell_call(request, card, *await start_call(request, numbers))


def tell_call(request: web.Request, back: str, status: int, text: str) -> web.Response:
    """Say what became of a click: to a script at once, else as a message on the page `back`."""
    if "application/json" in request.headers.get("Accept", ""):
        return web.json_response({"text": text}, status=status)
    return redirect(request, back, flash=text)


async def start_call(request: web.Request, numbers: Collection[str]) -> tuple[int, str]:
    """Start the call to one of `numbers`; gives the HTTP status, 202 when it is on, and what to tell the viewer."""
    panel, viewer, form = panel_of(request), viewer_of(request), form_of(request)
    number = read_number(form.value("number"), panel.region)
    if number.kind is not NumberKind.OUTSIDE or number.text not in numbers:
        return 404, _("This number is not on this card.")
    phones = phones_of(panel.directory.current, viewer.id)
    chosen = form.value("phone") or (phones[0].number if phones else "")
    phone = next((phone for phone in phones if phone.number == chosen), None)
    if phone is None:
        return 409, _("You have no such phone; an administrator can give you one.")
    steered = panel.questions.phones_for(phone.endpoint)
    if steered is None or not steered.available:
        return 503, _("The telephone system cannot be reached at this moment. Use the phone itself.")
    if not panel.dialling.allow(viewer.id):
        return 429, _("One call after another: wait some seconds.")
    async with panel.database.read() as session:
        callee = await find_caller(session, number.text)
    try:
        await steered.call(phone, number.text, callee.name if callee else None, callee.language if callee else None)
    except (PhonesUnavailableError, ValueError) as error:
        _log.warning("click to call failed", phone=phone.endpoint, why=str(error))
        return 503, _("The telephone system did not take the call. Use the phone itself.")
    return 202, _(
        "Your phone %(phone)s rings: pick it up, and %(number)s is called.",
        phone=phone.number,
        number=number_text(number.text),
    )
