"""Browsers' connections: also what is no HTTP at all, and never reaches the guard, is answered with every header."""

import asyncio

from aiohttp import web
from aiohttp.web_request import BaseRequest

from leads.admin import guard


class _Connection(web.RequestHandler):
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


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class PanelRunner(web.AppRunner):
    """Runs the panel; aiohttp has no other place at which its own answers can be given headers."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            request_factory=made.request_factory,
            loop=asyncio.get_running_loop(),
            **made._kwargs,
        )
