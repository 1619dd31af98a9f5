"""Browsers' connections: so many at most; what is no HTTP and never reaches the guard is answered with every header."""

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.web_request import BaseRequest

from leads.admin import guard

RESERVED = 20
"""Of the machine itself beyond the bound: who watches the server is answered while strangers take the rest."""
_ITSELF = frozenset({"127.0.0.1", "::1"})


class _Connection(web.RequestHandler):
    def __init__(self, server: "_Server", **limits: Any) -> None:
        super().__init__(server, **limits)
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, or end it where there are too many; asyncio calls this."""
        super().connection_made(transport)
        self._server.open_connections += 1
        beyond = self._server.open_connections - self._server.most_connections
        if beyond > RESERVED or (beyond > 0 and not _is_of_itself(transport)):
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget it; asyncio calls this."""
        self._server.open_connections -= 1
        super().connection_lost(exc)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that could not be read."""
        response = super().handle_error(request, status, exc, message)
        guard.restrict(response)
        return response


def _is_of_itself(transport: asyncio.BaseTransport) -> bool:
    peer = transport.get_extra_info("peername")
    return bool(peer) and peer[0] in _ITSELF


class _Server(web.Server):
    most_connections = 0
    open_connections = 0

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class PanelRunner(web.AppRunner):
    """Runs the panel; aiohttp has no other place at which connections are counted and its own answers given headers."""

    def __init__(self, app: web.Application, most_connections: int, **limits: Any) -> None:
        """Take the panel, how many connections it may have at once, and aiohttp's own limits."""
        super().__init__(app, **limits)
        self._most_connections = most_connections

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        server = _Server(
            made.request_handler,
            request_factory=made.request_factory,
            loop=asyncio.get_running_loop(),
            **made._kwargs,
        )
        server.most_connections = self._most_connections
        return server
