"""Keeps a copy of our numbers' own routes in Asterisk's database, so that calls go on when Leadline is gone.

It uses the control account, which can do whatever a shell on the Asterisk machine can: optional, from loopback only.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from datetime import timedelta

from ami_listener.connection import AmiAccount, AmiConnection
from ami_listener.link import AmiError, AmiLink, AmiRefusedError

logger = logging.getLogger(__name__)

LONGEST_VALUE = 1000
"""Bytes; Asterisk reads AMI lines of up to 1,024."""
_KEY = re.compile(r"[0-9A-Za-z+_.-]{1,64}")


class DatabaseCopy:
    """Makes one family of Asterisk's database equal to what it is told, for as long as `run` runs.

    After each connect all is compared, since Asterisk may have lost what it had not written; only differences are sent.

    Args:
        account: the control account.
        family: the family of keys that is ours alone; keys of it that are not told are removed.
        silence: after this time without a byte the connection counts as dead.
    """

    def __init__(self, account: AmiAccount, family: str, *, silence: timedelta = timedelta(seconds=15)) -> None:
        self.connection = AmiConnection(
            account,
            on_event=lambda _: None,
            wanted=frozenset(),
            on_connected=self._connected,
            silence=silence,
        )
        self.puts = 0
        self.deletes = 0
        self.in_step = asyncio.Event()
        self._family = family
        self._wanted: dict[str, str] | None = None
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()

    def sync_defaults(self, entries: Mapping[str, str]) -> None:
        """Take what the family is to hold, whole; returns at once, `in_step` is set when Asterisk has it.

        Raises:
            ValueError: a key or a value is none that Asterisk can keep.
        """
        for key, value in entries.items():
            if not _KEY.fullmatch(key):
                raise ValueError(f"{key!r} is no key of Asterisk's database")
            if not value.isprintable() or len(value.encode()) > LONGEST_VALUE:
                raise ValueError(f"the value of {key} is longer than {LONGEST_VALUE} bytes or holds control characters")
        self._wanted = dict(entries)
        self.in_step.clear()
        self._changed.set()

    async def run(self) -> None:
        """Keep the copy in step; ends only by cancellation."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.connection.run())
            tasks.create_task(self._follow_changes())

    async def _connected(self, link: AmiLink) -> None:
        await self._compare(link)

    async def _follow_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            link = self.connection.link
            if link is None:
                continue  # the next connect compares all
            try:
                await self._compare(link)
            except AmiError as error:
                link.drop(f"the numbers' routes could not be copied: {error}")

    async def _compare(self, link: AmiLink) -> None:
        async with self._turn:
            wanted = self._wanted
            if wanted is None:
                return
            present = await self._present(link)
            for key, value in wanted.items():
                if present.get(key) != value:
                    await link.ask("DBPut", {"Family": self._family, "Key": key, "Val": value})
                    self.puts += 1
            for key in present.keys() - wanted.keys():
                await link.ask("DBDel", {"Family": self._family, "Key": key})
                self.deletes += 1
            if wanted is self._wanted:
                self.in_step.set()

    async def _present(self, link: AmiLink) -> dict[str, str]:
        prefix = f"/{self._family}/"
        try:
            rows = await link.ask_list("DBGetTree", {"Family": self._family})
        except AmiRefusedError as error:
            if "not found" in str(error).lower():
                return {}
            raise
        return {str(row["Key"]).removeprefix(prefix): str(row["Val"]) for row in rows if "Key" in row and "Val" in row}
