"""Decides one call outside the server: the dry run of `leadline route`, and the one-shot AGI script."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from agi.oneshot import Answer
from agi.protocol import Request
from agi.service import RoutingService, callee_in
from dialplan.names import display_form
from dialplan.plan import encode_plan
from leadline.database import existing_database
from leadline.settings import Settings
from leads.domain.reasons import kept_reason
from leads.store.calls import CallWriter, RecordedDecision
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.lookup import CallerLookup
from routing.decision import Decision, Ring, Step


@asynccontextmanager
async def open_routing(settings: Settings) -> AsyncIterator[tuple[RoutingService, CallWriter]]:
    """Open what deciding one call needs, and what records it."""
    async with existing_database(settings.database_url) as database:
        directory = DirectoryCache(database)
        await directory.refresh()
        lookup = await CallerLookup.open(settings.database_url)
        try:
            yield make_service(settings, lookup, directory), make_writer(settings, database, directory)
        finally:
            await lookup.close()


def make_service(settings: Settings, lookup: CallerLookup, directory: DirectoryCache) -> RoutingService:
    """The routing of this installation, the same for the server, the script and the dry run."""
    return RoutingService(
        lookup,
        directory,
        region=settings.region,
        default_extension=settings.default_extension,
        name_language=settings.name_language,
        zone=settings.zone,
    )


def make_writer(settings: Settings, database: Database, directory: DirectoryCache) -> CallWriter:
    """The writer of calls of this installation."""
    return CallWriter(database, directory, settings.region, lambda: datetime.now(UTC))


def decision_record(pbx: str, linkedid: str, decision: Decision, at: datetime) -> RecordedDecision:
    """A decision as it is kept on its call."""
    return RecordedDecision(pbx, linkedid, at, route_as_json(decision))


async def dry_run(settings: Settings, number: str, to: str | None) -> Decision:
    """Decide a call from `number` to `to` as the server would at this moment."""
    async with open_routing(settings) as (service, _):
        return await service.route(number, None, to)


def decide_alone(settings: Settings, request: Request, answer: Answer) -> None:
    """Decide a call for the one-shot script as the server would, and record the decision when Asterisk has taken it."""

    async def work() -> None:
        async with open_routing(settings) as (service, writer):
            if (callee := callee_in(request.did)) is not None:
                answer(await service.find_callee(callee, request.caller))
                return
            decision = await service.route(request.caller, request.caller_name, request.did)
            if answer(encode_plan(decision)) and request.linkedid is not None:
                await writer.write(
                    [], [decision_record(settings.pbx_name, request.linkedid, decision, datetime.now(UTC))]
                )

    asyncio.run(work())


def route_as_json(decision: Decision) -> dict[str, Any]:
    """A decision as it is kept in the database, and told by the panel."""
    return {
        "caller": decision.caller,
        "did": decision.did,
        "name": decision.name,
        "language": decision.language,
        "steps": [_step_as_json(step, decision) for step in decision.steps],
        "reasons": [kept_reason(reason) for reason in decision.reasons],
    }


def _step_as_json(step: Step, decision: Decision) -> dict[str, Any]:
    return {
        "kind": step.kind.value,
        "seconds": step.seconds,
        "queue": step.queue,
        "phones": [
            {"number": ring.extension.number, "call_waiting": ring.call_waiting, "display": shown(ring, decision)}
            for ring in step.rings
            if step.queue is None
        ],
    }


def shown(ring: Ring, decision: Decision) -> str | None:
    """What a phone's display shows; None where the trunk's name stays, or no name is shown."""
    extension = ring.extension
    if decision.name is None:
        return None
    return display_form(decision.name, decision.language, extension.display_mode, extension.display_length)
