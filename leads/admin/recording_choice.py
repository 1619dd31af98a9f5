"""Which calls are recorded, and for how long recordings are kept; for administrators (C12)."""

from collections.abc import Callable

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from leads.admin.context import admin_only, panel_of
from leads.admin.forms import Form
from leads.admin.guard import form_of
from leads.admin.i18n import N_, _
from leads.admin.rendering import number_text, redirect, render
from leads.domain.recordings import RecordedCalls
from leads.store import company, recordings
from leads.store.recordings import RecordingChoice

PAGE = "/company/recordings"
LONGEST_DAYS = 3650

CHOICES = {
    RecordedCalls.NONE: N_("No calls"),
    RecordedCalls.ALL: N_("All calls, inbound and outgoing"),
    RecordedCalls.INBOUND: N_("Inbound calls"),
    RecordedCalls.OUTBOUND: N_("Outgoing calls"),
    RecordedCalls.BY_NUMBER: N_("By number: those chosen below"),
}
"""Not among the words of all values: a call's direction has the same ones."""

routes = web.RouteTableDef()


@routes.get(PAGE)
@admin_only
async def choice_page(request: web.Request) -> web.Response:
    """The choice as it is."""
    async with panel_of(request).database.read() as session:
        return await _page(request, session, await _saved(session))


@routes.post(PAGE)
@admin_only
async def save_choice(request: web.Request) -> web.Response:
    """Choose anew; it counts from the next call on."""
    panel, form = panel_of(request), form_of(request)
    made = RecordingChoice(
        calls=form.choice("calls", RecordedCalls),
        keep_days=form.integer("keep_days", 1, LONGEST_DAYS),
        did_ids=_keys(form, "did"),
        phone_ids=_keys(form, "phone"),
    )
    status = 422
    if not form.errors:
        try:
            async with panel.database.write() as session:
                await recordings.save_choice(session, form.version(), made)
        except company.SavedMeanwhileError:
            status = 409
        except company.GoneError:
            form.fail("calls", _("A number or phone was removed meanwhile. Look and save again."))
        else:
            await panel.directory.refresh()
            return redirect(request, PAGE, flash=_("Saved."))
    async with panel.database.read() as session:
        if status == 409:
            form = form.against(await _saved(session), await _said(session))
        return await _page(request, session, form, status)


async def _page(request: web.Request, session: AsyncSession, form: Form, status: int = 200) -> web.Response:
    folders = panel_of(request).recordings.folders
    return render(
        request,
        "recordings/choice.html",
        status=status,
        form=form,
        choices=[(calls.value, _(name)) for calls, name in CHOICES.items()],
        dids=await company.dids(session),
        phones=await company.phones(session),
        unusable=[str(folder.root) for folder in folders.values() if not folder.is_usable()],
        has_folder=bool(folders),
    )


async def _said(session: AsyncSession) -> dict[str, Callable[[str], str]]:
    """How the choice is said where it is a code or a key."""
    numbers = {str(did.id): number_text(did.number) for did in await company.dids(session)}
    phones = {str(phone.id): phone.number for phone in await company.phones(session)}
    return {
        "calls": lambda value: _(CHOICES[RecordedCalls(value)]),
        "did": lambda key: numbers.get(key, key),
        "phone": lambda key: phones.get(key, key),
    }


async def _saved(session: AsyncSession) -> Form:
    version, choice = await recordings.choice(session)
    return Form.filled(
        version=version,
        calls=choice.calls,
        keep_days=choice.keep_days,
        did=sorted(choice.did_ids),
        phone=sorted(choice.phone_ids),
    )


def _keys(form: Form, name: str) -> frozenset[int]:
    found = (form.identifier(name, typed=value) for value in form.values(name))
    return frozenset(key for key in found if key is not None)
