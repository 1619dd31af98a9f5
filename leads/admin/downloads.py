"""Sends what is long while it is made or read, and only to somebody who may still have it (K2, X1).

A slow browser can take a file for hours; whoever was signed out, has left or lost a right meanwhile gets no more of it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from leads.admin.context import access_of, viewer_of
from leads.admin.guard import find_viewer

WRITE_SECONDS = 60.0
"""A browser that takes no more for so long has gone away."""
LOOK_SECONDS = 2.0
"""How often it is asked whether who downloads still may: what goes on is to end within five seconds."""


async def send(
    request: web.Request,
    response: web.StreamResponse,
    chunks: AsyncIterator[bytes],
    still_may: Callable[[], Awaitable[bool]] | None = None,
) -> None:
    """Send the chunks after the response's head, if more than that was asked for.

    A file that is broken off never looks like a whole one.

    Args:
        request: what was asked.
        response: the answer's head.
        chunks: what follows it.
        still_may: tells whether it may go on; without it the session and the right to the page do.
    """
    may = still_may or (lambda: _still_may(request))
    whole = False
    try:
        await response.prepare(request)
        whole = request.method == "HEAD" or await _sent(response, chunks, may)
    except (OSError, TimeoutError):
        pass  # The browser was closed.
    finally:
        if not whole and request.transport is not None:
            request.transport.abort()


async def _sent(
    response: web.StreamResponse, chunks: AsyncIterator[bytes], still_may: Callable[[], Awaitable[bool]]
) -> bool:
    looked = time.monotonic()
    async for chunk in chunks:
        if time.monotonic() - looked >= LOOK_SECONDS:
            if not await still_may():
                return False
            looked = time.monotonic()
        async with asyncio.timeout(WRITE_SECONDS):
            await response.write(chunk)
    return True


async def _still_may(request: web.Request) -> bool:
    """Whether the session lasts, with the right to this page, for the same people's work as when it was asked for."""
    viewer = await find_viewer(request)
    return (
        viewer is not None
        and viewer.scope == viewer_of(request).scope
        and viewer.may(access_of(request.match_info.handler))
    )
