"""The three servers that the FastAGI benchmark compares; each runs in a process of its own, all on uvloop.

    python -m bench.fastagi_servers leadline|bare|panoramisk [DATABASE_URL]

Each prints its port and serves until it is ended.
"""

import asyncio
import sys

import uvloop
from panoramisk import fast_agi

from agi.askers import Askers
from agi.server import FastAgiServer
from agi.service import RoutingService
from leadline.server import set_lasting_objects_aside
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.lookup import CallerLookup

PLAN = b'SET VARIABLE LEADLINE_PLAN "L1|Melnychenko Olha|P,20,1PJSIP/101,,"\n'
"""Like Leadline's own answers here."""


class BareProtocol(asyncio.Protocol):
    """Reads the same session into a dict, answers fixed text, waits for the reply and closes; nothing else."""

    def __init__(self, answer: bytes = PLAN) -> None:
        self._answer = answer
        self._buffer = b""
        self._variables: dict[str, str] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._variables is None:
            if not self._buffer.endswith(b"\n\n"):
                return
            lines = self._buffer.decode("utf-8", "replace").split("\n")
            self._variables = dict(line.split(": ", 1) for line in lines if ": " in line)
            self._buffer = b""
            self._transport.write(self._answer)  # type: ignore[attr-defined]
        elif self._buffer.endswith(b"\n"):
            self._transport.close()


async def serve_bare() -> int:
    """Listen; give the port."""
    server = await asyncio.get_running_loop().create_server(BareProtocol, "127.0.0.1", 0, backlog=1024)
    return int(server.sockets[0].getsockname()[1])


async def serve_panoramisk() -> int:
    """Listen with panoramisk's own server, which answers the same text; give the port."""

    async def route(request: fast_agi.Request) -> None:
        await request.send_command(PLAN.decode().rstrip("\n"))

    application = fast_agi.Application()
    application.add_route("route", route)
    server = await asyncio.start_server(application.handler, "127.0.0.1", 0, backlog=1024)
    return int(server.sockets[0].getsockname()[1])


async def serve_leadline(url: str) -> int:
    """As `leadline serve` does it, but for the record of decisions, which is a matter of calls/s."""
    directories = DirectoryCache(Database(url))
    await directories.refresh()
    lookup = await CallerLookup.open(url)
    service = RoutingService(lookup, directories, region="UA", default_extension=None, name_language="uk")
    server = FastAgiServer(
        service,
        host="127.0.0.1",
        port=0,
        askers=Askers({"asterisk": ("127.0.0.0/8",)}),
        max_sessions=2000,
        on_decision=lambda pbx, linkedid, decision, decided_at: None,
    )
    await server.start()
    return server.port


async def main(name: str, url: str) -> None:
    """Serve until the process is ended."""
    port = await {"bare": serve_bare, "panoramisk": serve_panoramisk, "leadline": lambda: serve_leadline(url)}[name]()
    set_lasting_objects_aside()
    print(port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""))
