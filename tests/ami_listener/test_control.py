"""Actions to Asterisk, one or very many at once, and its database: only differences are sent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from ami_listener import connection as connection_module
from ami_listener.connection import AmiAccount
from ami_listener.control import AmiLostError, AmiRefusedError, ControlConnection
from ami_listener.database_copy import DatabaseFamily
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
            if action["Action"] == "Hangup":
                peer.answer(action, "Error", "No such channel")
                continue
            if action["Action"] == "DBGetTree":
                self._list(peer, action)
                continue
            if action["Action"] == "DBPut":
                self.entries[action["Key"]] = action["Val"]
                self.changes.append(("put", action["Key"], action["Val"]))
            elif action["Action"] == "DBDel":
                if self.entries.pop(action["Key"], None) is None:
                    peer.answer(action, "Error", "Database entry not found")
                    continue
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
async def connected(database: AstDb) -> AsyncIterator[ControlConnection]:
    async with FakeAmi(database.serve) as server:
        control = ControlConnection(AmiAccount("127.0.0.1", server.port, "control", "secret"))
        connections: asyncio.Queue[None] = asyncio.Queue()
        control.on_connected(lambda: connections.put_nowait(None))
        task = asyncio.create_task(control.run())
        try:
            await asyncio.wait_for(connections.get(), 10)
            yield control
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_only_differences_are_sent() -> None:
    database = AstDb({"1": "same", "2": "old", "3": "superfluous"})
    async with connected(database) as control:
        family = DatabaseFamily(control, FAMILY)
        await family.make_equal({"1": "same", "2": "new", "4": "added"})
    assert database.changes == [("put", "2", "new"), ("put", "4", "added"), ("delete", "3")]
    assert database.entries == {"1": "same", "2": "new", "4": "added"}
    assert (family.puts, family.deletes) == (2, 1)


async def test_an_empty_family_is_no_error_and_neither_is_a_key_that_is_gone() -> None:
    database = AstDb()
    async with connected(database) as control:
        family = DatabaseFamily(control, FAMILY)
        await family.make_equal({"1": "a"})
        await family.write({}, ["1", "2"])
    assert database.changes == [("put", "1", "a"), ("delete", "1")]


async def test_many_entries_go_in_few_writes_and_letters_survive() -> None:
    entries = {f"+3805{number:08}": f"7|Olena {number}|Олена {number}" for number in range(1001)}
    database = AstDb()
    async with connected(database) as control:
        family = DatabaseFamily(control, FAMILY)
        await family.make_equal(entries)
        await family.make_equal(entries)
    assert database.entries == entries
    assert len(database.changes) == 1001


async def test_connection_that_breaks_midway_is_told_and_made_good_by_the_next() -> None:
    database = AstDb(cut_after=1)
    async with connected(database) as control:
        again = asyncio.Event()
        control.on_connected(again.set)
        family = DatabaseFamily(control, FAMILY)
        with pytest.raises(AmiLostError):
            await family.make_equal({"1": "a", "2": "b"})
        await asyncio.wait_for(again.wait(), 10)
        await family.make_equal({"1": "a", "2": "b"})
    assert database.entries == {"1": "a", "2": "b"}


@pytest.mark.parametrize(
    ("key", "value"),
    [("1\r\nAction: x", "a"), ("", "a"), ("1", "a\r\nAction: Command"), ("1", "x" * 1001), ("a b", "")],
)
async def test_what_could_be_another_action_is_no_entry(key: str, value: str) -> None:
    database = AstDb()
    async with connected(database) as control:
        with pytest.raises(ValueError, match=r"key|value"):
            await DatabaseFamily(control, FAMILY).write({key: value})
    assert database.changes == []


@pytest.mark.parametrize("bad", ["a\r\nAction: Command", "a\nb", "a\0"])
async def test_a_value_that_could_be_another_action_is_refused_in_every_way_to_ask(bad: str) -> None:
    async with connected(AstDb()) as control:
        for ask in (
            control.ask("Hangup", {"Channel": bad}),
            control.ask("Originate", {"Variable": ["A=1", bad]}),
            control.ask_list("DBGetTree", {"Family": bad}),
            control.ask_rows("DBGetTree", {"Family": bad}, lambda _: None, 1),
            control.ask_many([("DBPut", {"Family": "f", "Key": "1", "Val": "1"}), ("DBPut", {"Key": bad})]),
        ):
            with pytest.raises(ValueError, match="line break"):
                await ask


async def test_refusals_and_absence_are_told_apart() -> None:
    database = AstDb()
    async with connected(database) as control:
        with pytest.raises(AmiRefusedError, match="No such channel"):
            await control.ask("Hangup", {"Channel": "PJSIP/101-00000001"})
        refused = await control.ask_many([("Hangup", {"Channel": "a"}), ("DBPut", {"Key": "1", "Val": "a"})])
        assert [str(error) for error in refused] == ["No such channel"]
    with pytest.raises(AmiLostError, match="not connected"):
        await control.ask("Ping")
