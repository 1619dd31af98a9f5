"""Tells people a routing decision, on the command line and in the panel; apart, because calls need no words."""

from typing import Any

from agi.service import RoutingService
from leadline.dry_run import route_as_json, shown
from leads.admin.reasons import tell
from leads.admin.route_trial import RouteTrial
from routing.decision import Decision, Ring


def describe_route(number: str, decision: Decision) -> str:
    """A decision for people to read."""
    lines = [f"Caller  {decision.caller or f'{number} (no outside number)'}", f"To      {decision.did or '-'}"]
    lines.append(f"Name    {decision.name or '- (the name that the trunk delivers stays)'}")
    lines.append("Rings")
    for place, step in enumerate(decision.steps, 1):
        who = f"queue {step.queue}" if step.queue else ", ".join(_describe_ring(ring, decision) for ring in step.rings)
        lines.append(f"  {place}. {who}; {step.seconds} s; {tell(step.why)}")
    if not decision.steps:
        lines.append("  nobody")
    lines += ["Why", *(f"  - {tell(reason)}" for reason in decision.reasons)]
    return "\n".join(lines)


def explained_json(decision: Decision) -> dict[str, Any]:
    """A decision for programs: as it is kept, each reason and step with its English sentence."""
    route = route_as_json(decision)
    for kept, reason in zip(route["reasons"], decision.reasons, strict=True):
        kept["text"] = tell(reason)
    for step, decided in zip(route["steps"], decision.steps, strict=True):
        step["why"] = tell(decided.why)
    return route


def trial_of(routing: RoutingService) -> RouteTrial:
    """The panel's dry run, which asks the same service as calls do."""

    async def decide(number: str | None, to: str | None) -> dict[str, Any]:
        return route_as_json(await routing.route(number, None, to))

    return decide


def _describe_ring(ring: Ring, decision: Decision) -> str:
    display = shown(ring, decision)
    return f"{ring.extension.number} showing «{display}»" if display else ring.extension.number
