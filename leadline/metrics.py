"""Health and metrics, read from the parts at the moment somebody asks, so that no call pays for being counted."""

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

from leads.admin.context import public


@dataclass(frozen=True, slots=True)
class PartHealth:
    """How one part is. `essential` parts decide whether the whole server counts as healthy."""

    name: str
    healthy: bool
    detail: Mapping[str, Any]
    essential: bool = True


class PartsCollector:
    """Asks every part for its figures at scrape time."""

    def __init__(self, sources: Iterable[Callable[[], Iterable[Metric]]]) -> None:
        self._sources = tuple(sources)

    def collect(self) -> Iterable[Metric]:
        """Yield the figures of all parts (called by prometheus_client)."""
        for source in self._sources:
            yield from source()


def add_operation_routes(
    app: web.Application,
    health: Callable[[], list[PartHealth]],
    metrics: Iterable[Callable[[], Iterable[Metric]]],
    allow: tuple[str, ...] = ("127.0.0.0/8", "::1/128"),
) -> None:
    """Add /healthz and /metrics to the panel's application.

    Args:
        health: tells the state of each part.
        metrics: give the figures.
        allow: networks that may read /metrics and the details in /healthz; others learn up or down only.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(PartsCollector(metrics))
    networks = [ipaddress.ip_network(network) for network in allow]

    def is_allowed(request: web.Request) -> bool:
        if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
            return False  # A proxy on this machine asks for somebody elsewhere.
        try:
            peer = ipaddress.ip_address(request.remote or "")
        except ValueError:
            return False
        return any(peer in network for network in networks)

    @public
    async def healthz(request: web.Request) -> web.Response:
        parts = health()
        up = all(part.healthy for part in parts if part.essential)
        body: dict[str, Any] = {"status": "ok" if up else "failing"}
        if is_allowed(request):
            body["parts"] = {part.name: {"healthy": part.healthy, **part.detail} for part in parts}
        return web.json_response(body, status=200 if up else 503)

    @public
    async def metrics_page(request: web.Request) -> web.Response:
        if not is_allowed(request):
            raise web.HTTPForbidden(text="Metrics are for the machine itself; ask for them from 127.0.0.1.\n")
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/metrics", metrics_page)
