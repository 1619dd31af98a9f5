"""For how long calls, the audit log and outages are kept; for administrators (X5)."""

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from leads.admin.context import admin_only, panel_of
from leads.admin.forms import Form
from leads.admin.guard import form_of
from leads.admin.i18n import N_, _
from leads.admin.rendering import redirect, render
from leads.store import recordings, retention
from leads.store.audit_table import Kept
from leads.store.company import SavedMeanwhileError

PAGE = "/company/retention"
LONGEST_DAYS = 36_500
WORDS = {
    Kept.CALLS: (N_("Calls, days"), N_("With the reasons of their routes. What leads and counterparties are stays.")),
    Kept.AUDIT: (N_("Audit log, days"), N_("Who did what.")),
    Kept.OUTAGES: (N_("Outages, days"), N_("When calls could not be followed.")),
}

routes = web.RouteTableDef()


@routes.get(PAGE)
@admin_only
async def retention_page(request: web.Request) -> web.Response:
    """The choice as it is."""
    async with panel_of(request).database.read() as session:
        return await _page(request, session, await _saved(session))


@routes.post(PAGE)
@admin_only
async def save_retention(request: web.Request) -> web.Response:
    """Choose anew; what is due then goes within the hour."""
    panel, form = panel_of(request), form_of(request)
    days = {kind: form.integer(kind, 1, LONGEST_DAYS) if form.value(kind).strip() else None for kind in Kept}
    version, status = form.version(), 422
    async with panel.database.read() as session:
        _version, choice = await recordings.choice(session)
    if (calls := days[Kept.CALLS]) is not None and calls < choice.keep_days:
        form.fail(
            Kept.CALLS, _("Recordings are kept for %(days)s days; their calls as long at least.", days=choice.keep_days)
        )
    if not form.errors:
        try:
            async with panel.database.write() as session:
                await retention.choose(session, version, days)
        except SavedMeanwhileError:
            status = 409
        else:
            return redirect(request, PAGE, flash=_("Saved."))
    async with panel.database.read() as session:
        if status == 409:
            form = form.against(await _saved(session))
        return await _page(request, session, form, status)


async def _page(request: web.Request, session: AsyncSession, form: Form, status: int = 200) -> web.Response:
    _version, choice = await recordings.choice(session)
    fields = [(kind.value, _(label), _(hint)) for kind, (label, hint) in WORDS.items()]
    return render(
        request,
        "access/retention.html",
        status=status,
        form=form,
        fields=fields,
        longest=LONGEST_DAYS,
        recordings=choice.keep_days,
    )


async def _saved(session: AsyncSession) -> Form:
    version, days = await retention.kept_for(session)
    return Form.filled(version=version, **{kind.value: kept for kind, kept in days.items()})
