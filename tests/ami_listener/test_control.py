"""The copy of routes in Asterisk's database: only differences are sent, and all is compared after each connect."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from ami_listener import connection as connection_module
from ami_listener.connection import AmiAccount
from ami_listener.control import DatabaseCopy
from tests.ami_listener.fake_ami import FakeAmi, Peer

FAMILY = "leadline-did"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "FIRST_DELAY", 0.01)


@dataclass
class AstDb:
    """Asterisk's database behind a fake AMI; `cut_after` ends a connection after so many changes."""

    entries: dict[str, str] = field(default_factory=dict)
    changes: list[tuple[str, ...]] = field(default_factory=list)
    cut_after: int | None = None

    async def serve(self, peer: Peer) -> None:
        await peer.log_in()
        while True:
            action = await peer.action()
            if action["Action"] == "DBGetTree":
                self._list(peer, action)
                continue
            if action["Action"] == "DBPut":
                self.entries[action["Key"]] = action["Val"]
                self.changes.append(("put", action["Key"], action["Val"]))
            elif action["Action"] == "DBDel":
                del self.entries[action["Key"]]
                self.changes.append(("delete", action["Key"]))
            peer.answer(action)
            if self.cut_after is not None and len(self.changes) >= self.cut_after:
                self.cut_after = None
                await peer.writer.drain()
                return

    def _list(self, peer: Peer, action: dict[str, str]) -> None:
        if not self.entries:
            peer.answer(action, "Error", "Database entry not found")
            return
        peer.answer(action)
        for key, value in self.entries.items():
            peer.send(
                f"Event: DBGetTreeResponse\nActionID: {action['ActionID']}\nKey: /{FAMILY}/{key}\nVal: {value}\n\n"
            )
        peer.send(f"Event: DBGetTreeComplete\nActionID: {action['ActionID']}\n\n")


@asynccontextmanager
async def copying(database: AstDb) -> AsyncIterator[DatabaseCopy]:
    async with FakeAmi(database.serve) as server:
        copy = DatabaseCopy(AmiAccount("127.0.0.1", server.port, "control", "secret"), FAMILY)
        task = asyncio.create_task(copy.run())
        try:
            yield copy
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def in_step(copy: DatabaseCopy) -> None:
    await asyncio.wait_for(copy.in_step.wait(), 10)


async def test_only_differences_are_sent() -> None:
    database = AstDb({"1": "same", "2": "old", "3": "superfluous"})
    async with copying(database) as copy:
        copy.sync_defaults({"1": "same", "2": "new", "4": "added"})
        await in_step(copy)
    assert database.changes == [("put", "2", "new"), ("put", "4", "added"), ("delete", "3")]
    assert database.entries == {"1": "same", "2": "new", "4": "added"}


async def test_a_change_is_sent_at_once_and_an_empty_family_is_no_error() -> None:
    database = AstDb()
    async with copying(database) as copy:
        copy.sync_defaults({"1": "a"})
        await in_step(copy)
        copy.sync_defaults({"1": "b"})
        await in_step(copy)
    assert database.changes == [("put", "1", "a"), ("put", "1", "b")]


async def test_connection_that_breaks_midway_is_made_good_by_the_next() -> None:
    database = AstDb(cut_after=1)
    async with copying(database) as copy:
        copy.sync_defaults({"1": "a", "2": "b"})
        await in_step(copy)
    assert database.entries == {"1": "a", "2": "b"}


@pytest.mark.parametrize(
    ("key", "value"),
    [("1\r\nAction: x", "a"), ("", "a"), ("1", "a\r\nAction: Command"), ("1", "x" * 1001), ("a b", "")],
)
async def test_what_could_be_another_action_is_refused(key: str, value: str) -> None:
    copy = DatabaseCopy(AmiAccount("127.0.0.1", 1, "control", "secret"), FAMILY)
    with pytest.raises(ValueError, match=r"key|value"):
        copy.sync_defaults({key: value})
