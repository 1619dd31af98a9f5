"""A file as it comes to a browser, and whether it looks whole."""

import aiohttp

from tests.admin.conftest import Visitor


async def download(visitor: Visitor, path: str, *, whole: bool) -> bytes:
    """What comes of a file until it ends, or is broken off; which of these, `whole` tells."""
    taken = b""
    try:
        async with visitor.client.get(f"{visitor.base}{path}") as answer:
            async for chunk in answer.content.iter_any():
                taken += chunk
    except aiohttp.ClientError:
        assert not whole, "a whole file was broken off"
    else:
        assert whole, "a part of a file looked whole"
    return taken
