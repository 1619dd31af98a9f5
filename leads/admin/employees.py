"""Employees and their phones: the list and the card, for administrators."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from aiohttp import web
from sqlalchemy.exc import IntegrityError

from leads.admin import hours
from leads.admin.context import admin_only, panel_of
from leads.admin.forms import ID, Form
from leads.admin.guard import form_of
from leads.admin.i18n import _, ngettext
from leads.admin.reasons import tell_absence
from leads.admin.refusals import no_such_employee
from leads.admin.rendering import redirect, render, word
from leads.admin.sign_in import new_password
from leads.admin.stand_ins import said_of_stand_in
from leads.domain.directory import DisplayMode, Role
from leads.domain.duty import absences
from leads.store import company, duty
from leads.store.models import Employee

_ENDPOINT = re.compile(r"(PJSIP|SIP|IAX2|DAHDI)/[A-Za-z0-9_.-]{1,60}")
_SHORT_NUMBER = re.compile(r"[0-9]{2,8}")
_LOGIN = re.compile(r"[a-z0-9][a-z0-9_.@+-]{0,99}")
_MOST_PHONES = 20
_PHONE_FIELDS = ("phone_number", "phone_endpoint", "phone_mode", "phone_length")

routes = web.RouteTableDef()


@routes.get("/company/employees")
@admin_only
async def employee_list(request: web.Request) -> web.Response:
    """Everybody who works here, and phones that belong to nobody."""
    panel = panel_of(request)
    async with panel.database.read() as session:
        everybody = await company.employees(session)
        ownerless = await company.ownerless_phones(session)
    absent = absences(panel.directory.current, panel.clock(), panel.zone).of
    said = {employee_id: tell_absence(absence.as_args()) for employee_id, absence in absent.items()}
    return render(request, "company/employees.html", employees=everybody, ownerless=ownerless, absent=said)


@routes.get("/company/employees/new")
@admin_only
async def new_employee(request: web.Request) -> web.Response:
    """An empty card."""
    form = Form.filled(
        version=1,
        role=Role.EMPLOYEE,
        active=True,
        ring_seconds=20,
        phone_number=[""],
        phone_endpoint=["PJSIP/"],
        phone_mode=[DisplayMode.LATIN],
        phone_length=[24],
    )
    return _card(request, form, None)


@routes.get(f"/company/employees/{ID}")
@admin_only
async def employee_card(request: web.Request) -> web.Response:
    """One employee's card."""
    employee, form = await _open(request)
    return _card(request, form, employee)


@routes.post("/company/employees/new")
@routes.post(f"/company/employees/{ID}")
@admin_only
async def save_employee(request: web.Request) -> web.Response:
    """Save a card."""
    panel, form = panel_of(request), form_of(request)
    employee_id = int(request.match_info["id"]) if "id" in request.match_info else None
    edit, password = _read(form, panel.region)
    shifts, substitute_id = hours.read(form), form.identifier("substitute_id")
    employee = (await _open(request))[0] if employee_id is not None else None
    if edit.login and not password and (employee is None or not employee.password_hash):
        form.fail("password", _("With a login goes a password."))
    if form.errors:
        return _card(request, form, employee, status=422)
    leaves = employee is not None and employee.active and not edit.active
    if leaves:
        edit = replace(edit, active=True)  # He goes when it is known who takes over.
    if password:
        edit = replace(edit, password_hash=await panel.passwords.hash(password))
    try:
        async with panel.database.write() as session:
            saved = await company.save_employee(session, employee_id, form.version(), edit, panel.clock())
            await duty.save_working_times(session, saved, shifts, substitute_id)
    except company.SavedMeanwhileError:
        return await _conflict(request, form)
    except duty.SubstituteError:
        form.fail("substitute_id", _("This substitute does not work here any more."))
    except company.TakenError as taken:
        _say_taken(form, taken)
    except company.NoAdminLeftError:
        form.fail("role", _("Somebody must remain who can set the company up: an active administrator with a login."))
    except company.GoneError:
        raise web.HTTPNotFound(text=_("This employee was removed meanwhile.")) from None
    except IntegrityError:
        form.fail("name", _("Somebody else took this login or phone at the same moment. Look and save again."))
    if form.errors:
        return _card(request, form, employee, status=422)
    await panel.directory.refresh()
    panel.check_sessions()
    return redirect(request, f"/company/employees/{saved}{'/leave' if leaves else ''}", flash=_("Saved."))


@routes.post("/company/phones/{id:[1-9][0-9]{0,8}}/remove")
@admin_only
async def remove_phone(request: web.Request) -> web.Response:
    """Remove a phone that belongs to nobody."""
    panel = panel_of(request)
    async with panel.database.write() as session:
        await company.remove_ownerless_phone(session, int(request.match_info["id"]))
    await panel.directory.refresh()
    return redirect(request, "/company/employees", flash=_("The phone is removed."))


async def _open(request: web.Request) -> tuple[Employee, Form]:
    """The employee of the address, and his card as it is saved."""
    async with panel_of(request).database.read() as session:
        employee = await company.find_employee(session, int(request.match_info["id"]))
        if employee is None:
            raise no_such_employee()
        shifts = await duty.working_times(session, employee.id)
        substitute_id = await duty.substitute_of(session, employee.id)
    return employee, _form_from(employee).replaced(**hours.written(shifts), substitute_id=substitute_id)


async def card_beside(request: web.Request, other: Form) -> web.Response:
    """An employee's card as it is saved, with what was typed into another form of its page and what is wrong there."""
    employee, saved = await _open(request)
    form = saved.replaced(until=other.value("until"))
    form.errors.update(other.errors)
    return _card(request, form, employee, status=422)


async def _conflict(request: web.Request, form: Form) -> web.Response:
    employee, saved = await _open(request)
    names = {str(key): name for key, name in colleagues_of(request, employee)}
    shown: dict[str, Callable[[str], str]] = {
        "role": lambda value: word(Role(value)),
        "phone_mode": lambda value: word(DisplayMode(value)),
        "substitute_id": lambda value: names.get(value, value),
    }
    return _card(request, form.against(saved, shown), employee, status=409)


def colleagues_of(request: web.Request, employee: Employee | None) -> list[tuple[int, str]]:
    """Those who may stand in for an employee: who works here, but not he himself."""
    everybody = panel_of(request).directory.current.employees.values()
    own = employee.id if employee else None
    return sorted(((one.id, one.name) for one in everybody if one.active and one.id != own), key=lambda one: one[1])


def _substitutes(request: web.Request, employee: Employee | None) -> list[tuple[int, str]]:
    """Whom the card offers; one who left stays chosen, for his successor takes the calls in his place."""
    everybody = panel_of(request).directory.current.employees
    present = everybody.get(employee.id) if employee else None
    chosen = everybody.get(present.duty.substitute_id or 0) if present else None
    left = [] if chosen is None or chosen.active else [(chosen.id, f"{chosen.name} · {_('Deactivated')}")]
    return [*colleagues_of(request, employee), *left]


def _card(request: web.Request, form: Form, employee: Employee | None, status: int = 200) -> web.Response:
    columns = [form.values(name) for name in _PHONE_FIELDS]
    panel = panel_of(request)
    known = panel.directory.current.employees.get(employee.id) if employee else None
    return render(
        request,
        "company/employee.html",
        status=status,
        form=form,
        employee=employee,
        phones=list(zip(*columns, strict=False)),
        mobiles=form.values("mobile"),
        roles=[(role.value, word(role)) for role in Role],
        modes=[(mode.value, word(mode)) for mode in DisplayMode],
        days=[(hours.field_of(weekday), _(name)) for weekday, name in enumerate(hours.WEEKDAYS)],
        zone=(employee and employee.time_zone) or panel.zone.key,
        colleagues=_substitutes(request, employee),
        duty=known.duty if known else None,
        stand_in=said_of_stand_in(panel, employee.id) if employee else "",
        now=panel.clock(),
    )


def _form_from(employee: Employee) -> Form:
    phones = employee.extensions
    return Form.filled(
        version=employee.version,
        name=employee.name,
        login=employee.login or "",
        role=employee.role,
        active=employee.active,
        ring_seconds=employee.ring_seconds,
        call_waiting=employee.call_waiting,
        may_listen=employee.may_listen,
        may_export=employee.may_export,
        phone_number=[phone.number for phone in phones],
        phone_endpoint=[phone.endpoint for phone in phones],
        phone_mode=[phone.display_mode for phone in phones],
        phone_length=[phone.display_length for phone in phones],
        mobile=[mobile.number for mobile in employee.mobiles],
    )


def _read(form: Form, region: str) -> tuple[company.EmployeeEdit, str]:
    """The employee as typed, and the new password, if one was typed."""
    login = form.text("login", longest=100).lower()
    if login and not _LOGIN.fullmatch(login):
        form.fail("login", _("Latin letters, digits and the signs . _ - + @, beginning with a letter or digit."))
    password = new_password(form, "password") if form.value("password") else ""
    edit = company.EmployeeEdit(
        name=form.text("name", required=True),
        login=login or None,
        password_hash=None,
        role=form.choice("role", Role),
        active=form.flag("active"),
        ring_seconds=form.integer("ring_seconds", 5, 300),
        call_waiting=form.flag("call_waiting"),
        may_listen=form.flag("may_listen"),
        may_export=form.flag("may_export"),
        phones=_read_phones(form),
        mobiles=_read_mobiles(form, region),
    )
    return edit, password


def _read_phones(form: Form) -> tuple[company.PhoneEdit, ...]:
    rows = form.rows(*_PHONE_FIELDS)
    if len(rows) > _MOST_PHONES:
        form.fail("phone_number", ngettext("At most %(count)s phone.", "At most %(count)s phones.", _MOST_PHONES))
    for row in rows:
        number, endpoint = row["phone_number"].strip(), row["phone_endpoint"].strip()
        if not _SHORT_NUMBER.fullmatch(number):
            form.fail("phone_number", _("“%(number)s”: a phone's number has 2 to 8 digits.", number=number[:40]))
        if not _ENDPOINT.fullmatch(endpoint):
            form.fail(
                "phone_number",
                _(
                    "“%(endpoint)s”: write the endpoint as Asterisk names it, such as PJSIP/101.",
                    endpoint=endpoint[:80],
                ),
            )
    numbers = [row["phone_number"].strip() for row in rows]
    endpoints = [row["phone_endpoint"].strip() for row in rows]
    for typed in (numbers, endpoints):
        twice = _twice(typed)
        if twice:
            form.fail("phone_number", _("“%(value)s” is entered twice.", value=twice))
    return tuple(
        company.PhoneEdit(
            number=number,
            endpoint=endpoint,
            display_mode=form.choice("phone_mode", DisplayMode, typed=row["phone_mode"]),
            display_length=form.integer("phone_number", 4, 80, typed=row["phone_length"]),
        )
        for number, endpoint, row in zip(numbers, endpoints, rows, strict=True)
    )


def _read_mobiles(form: Form, region: str) -> tuple[str, ...]:
    typed = [value for value in form.values("mobile") if value.strip()]
    if len(typed) > _MOST_PHONES:
        form.fail("mobile", ngettext("At most %(count)s number.", "At most %(count)s numbers.", _MOST_PHONES))
    numbers = [form.outside_number("mobile", region, typed=value) for value in typed[:_MOST_PHONES]]
    twice = _twice(numbers)
    if twice:
        form.fail("mobile", _("“%(value)s” is entered twice.", value=twice))
    return tuple(numbers)


def _twice(values: Sequence[str]) -> str | None:
    return next((value for place, value in enumerate(values) if value in values[:place]), None)


def _say_taken(form: Form, taken: company.TakenError) -> None:
    values = {"value": taken.value, "owner": taken.owner}
    if taken.field == "login":
        form.fail("login", _("%(owner)s has this login.", owner=taken.owner))
    elif taken.field == "mobile":
        form.fail("mobile", _("“%(value)s” is %(owner)s's.", **values))
    else:
        form.fail("phone_number", _("“%(value)s” is %(owner)s's.", **values))
