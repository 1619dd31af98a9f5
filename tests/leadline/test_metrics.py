"""Who may read figures and details: the machine itself, and nobody through a proxy on it."""

from typing import Any

import aiohttp
import pytest
from aiohttp import web

from leadline.metrics import PartHealth, add_operation_routes


async def ask(
    path: str, healthy: bool = True, allow: tuple[str, ...] = ("127.0.0.0/8",), **headers: str
) -> tuple[int, str]:
    app = web.Application()
    add_operation_routes(app, lambda: [PartHealth("part", healthy, {"secret": "detail"})], [lambda: []], allow)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
        async with aiohttp.ClientSession() as client, client.get(url, headers=headers) as answer:
            return answer.status, await answer.text()
    finally:
        await runner.cleanup()


async def test_the_machine_itself_reads_all() -> None:
    status, text = await ask("/healthz")
    assert (status, "detail" in text) == (200, True)
    assert (await ask("/metrics"))[0] == 200


@pytest.mark.parametrize("how", [{"allow": ("192.0.2.0/24",)}, {"X-Forwarded-For": "198.51.100.7"}, {"Forwarded": "x"}])
async def test_others_learn_up_or_down_only(how: Any) -> None:
    status, text = await ask("/healthz", **how)
    assert (status, "detail" in text) == (200, False)
    status, text = await ask("/healthz", healthy=False, **how)
    assert (status, "detail" in text) == (503, False)
    assert (await ask("/metrics", **how))[0] == 403
