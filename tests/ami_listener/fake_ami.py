"""A scripted AMI server for faults that a real Asterisk cannot be made to show on demand."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


@dataclass
class Peer:
    """One connected client, with what it sent."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def action(self) -> dict[str, str]:
        """The next action."""
        block = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        return dict(line.split(": ", 1) for line in block.split("\r\n") if ": " in line)

    def send(self, text: str) -> None:
        self.writer.write(text.replace("\n", "\r\n").encode())

    def answer(self, action: dict[str, str], response: str = "Success", message: str = "ok") -> None:
        self.send(f"Response: {response}\nActionID: {action.get('ActionID', '')}\nMessage: {message}\n\n")

    async def log_in(self) -> dict[str, str]:
        self.send("Asterisk Call Manager/11.0.0\n")
        action = await self.action()
        self.answer(action)
        return action

    async def list_channels(self, *rows: str) -> None:
        action = await self.action()
        assert action["Action"] == "CoreShowChannels"
        self.answer(action)
        for row in rows:
            self.send(f"Event: CoreShowChannel\nActionID: {action['ActionID']}\n{row}\n\n")
        self.send(f"Event: CoreShowChannelsComplete\nActionID: {action['ActionID']}\nListItems: {len(rows)}\n\n")


@dataclass
class FakeAmi:
    """Plays `script` for each connection; `port` is where."""

    script: Callable[[Peer], Awaitable[None]]
    tls: ssl.SSLContext | None = None
    connections: int = 0
    port: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> "FakeAmi":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self.script(Peer(reader, writer))
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()
