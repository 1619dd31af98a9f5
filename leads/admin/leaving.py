"""Asks who takes over when an employee leaves, and lets him go (K2)."""

from aiohttp import web

from leads.admin.context import admin_only, panel_of, viewer_of
from leads.admin.employees import colleagues_of
from leads.admin.forms import ID, Form
from leads.admin.guard import form_of
from leads.admin.i18n import _
from leads.admin.refusals import no_such_employee
from leads.admin.rendering import redirect, render
from leads.store import company, handovers, leaving
from leads.store.models import Employee

routes = web.RouteTableDef()


@routes.get(f"/company/employees/{ID}/leave")
@admin_only
async def leave_page(request: web.Request) -> web.Response:
    """What an employee is in charge of, and who could take it over."""
    employee, had = await _look(request)
    return await _page(request, Form.filled(version=employee.version), employee, had)


@routes.post(f"/company/employees/{ID}/leave")
@admin_only
async def leave(request: web.Request) -> web.Response:
    """Let him go; what is his becomes his successor's: a few things at once, more with a page that tells how far."""
    panel, form = panel_of(request), form_of(request)
    employee, had = await _look(request)
    successor = form.identifier("successor_id")
    try:
        left = await leaving.let_go(
            panel.database,
            employee.id,
            form.version(),
            successor,
            by=viewer_of(request).id,
            clock=panel.clock,
            runner=panel.handovers.at_once,
        )
    except leaving.SuccessorError:
        form.fail("successor_id", _("Choose who takes over: somebody else who works here."))
    except leaving.HandedOverNowError:
        form.fail("successor_id", _("This work is being handed over already. Wait until that is done, and look again."))
    except company.NoAdminLeftError:
        form.fail(
            "successor_id", _("Somebody must remain who can set the company up: make another administrator first.")
        )
    except company.SavedMeanwhileError:
        form = form.replaced(version=employee.version)
        form.fail("successor_id", _("Somebody else saved this card meanwhile. Look and go on."))
        return await _page(request, form, employee, had, status=409)
    except company.GoneError:
        raise no_such_employee() from None
    if form.errors:
        return await _page(request, form, employee, had, status=422)
    await panel.directory.refresh()
    panel.check_sessions()
    flash = _("%(name)s has left.", name=employee.name)
    if left.handover_id is not None and not await panel.handovers.take_up(left.handover_id, left.had.total):
        return redirect(request, f"/handovers/{left.handover_id}", flash=flash)
    return redirect(request, f"/company/employees/{employee.id}", flash=flash)


async def _look(request: web.Request) -> tuple[Employee, leaving.Belongings]:
    async with panel_of(request).database.read() as session:
        employee = await company.find_employee(session, int(request.match_info["id"]))
        if employee is None:
            raise no_such_employee()
        return employee, await leaving.belongings(session, employee.id)


async def _page(
    request: web.Request, form: Form, employee: Employee, had: leaving.Belongings, status: int = 200
) -> web.Response:
    async with panel_of(request).database.read() as session:
        at_work = await handovers.of_leaver(session, employee.id)
    return render(
        request,
        "company/leave.html",
        status=status,
        form=form,
        employee=employee,
        had=had,
        at_work=at_work,
        colleagues=colleagues_of(request, employee),
    )
