"""What an address names, as far as the viewer may see it; the rest is answered as what is not there (X1)."""

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from leads.admin.call_lines import visible
from leads.admin.context import panel_of, viewer_of
from leads.admin.refusals import no_such_call, no_such_counterparty, no_such_lead
from leads.domain.visibility import Scope
from leads.store.board import BoardCall, find_call
from leads.store.cards import NoSuchCardError
from leads.store.counterparty_card import CounterpartyCard, load_counterparty
from leads.store.lead_card import LeadCard, load_lead


async def seen_lead(session: AsyncSession, lead_id: int, scope: Scope) -> LeadCard:
    """A lead's card.

    Raises:
        HTTPNotFound: there is none that somebody with this scope may see.
    """
    try:
        return await load_lead(session, lead_id, scope)
    except NoSuchCardError:
        raise no_such_lead() from None


async def seen_counterparty(session: AsyncSession, counterparty_id: int, scope: Scope) -> CounterpartyCard:
    """A counterparty's card.

    Raises:
        HTTPNotFound: there is none that somebody with this scope may see.
    """
    try:
        return await load_counterparty(session, counterparty_id, scope)
    except NoSuchCardError:
        raise no_such_counterparty() from None


async def seen_call(session: AsyncSession, request: web.Request) -> BoardCall:
    """The call that the address names.

    Raises:
        HTTPNotFound: there is none that the viewer may see.
    """
    call = await find_call(session, int(request.match_info["id"]))
    if call is None or not visible(viewer_of(request), panel_of(request).directory.current)(call):
        raise no_such_call()
    return call
