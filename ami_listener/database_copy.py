"""Reads and writes one family of Asterisk's own database, however large, without holding up calls on either side."""

import re
from collections.abc import Collection, Mapping

from ami_listener.control import AmiRefusedError, ControlConnection, Headers

LONGEST_VALUE = 1000
"""Bytes; Asterisk reads AMI lines of up to 1,024."""
IN_FLIGHT = 200
"""Actions sent at once: more makes it no faster, and calls look into the same database meanwhile."""
TREE_SECONDS = 60.0
"""For reading a whole family; 200,000 entries take about two."""
_KEY = re.compile(r"[0-9A-Za-z+_.-]{1,64}")


class DatabaseFamily:
    """One family of keys that is ours alone.

    Attributes:
        puts: entries written since the start.
        deletes: entries removed since the start.
    """

    def __init__(self, control: ControlConnection, name: str) -> None:
        self.name = name
        self.puts = 0
        self.deletes = 0
        self._control = control

    async def fingerprints(self) -> dict[str, int]:
        """Every key with the `fingerprint` of its value, in place of the values, which would take much more memory.

        Raises:
            AmiError: Asterisk did not tell.
        """
        present: dict[str, int] = {}
        start = len(f"/{self.name}/")

        def take(row: bytes) -> None:
            key = row.partition(b"\nKey: ")[2].partition(b"\n")[0]
            present[key[start:].decode("utf-8", "replace")] = hash(row.partition(b"\nVal: ")[2].partition(b"\n")[0])

        try:
            await self._control.ask_rows("DBGetTree", {"Family": self.name}, take, TREE_SECONDS)
        except AmiRefusedError as error:
            if "not found" not in str(error).lower():
                raise
        return present

    async def make_equal(self, entries: Mapping[str, str]) -> None:
        """Make the family hold `entries` and nothing else; only differences are sent.

        Raises:
            AmiError, ValueError: as `write`.
        """
        present = await self.fingerprints()
        await self.write(
            {key: value for key, value in entries.items() if present.get(key) != fingerprint(value)},
            present.keys() - entries.keys(),
        )

    async def write(self, puts: Mapping[str, str], deletes: Collection[str] = ()) -> None:
        """Write and remove entries; to remove one that is not there is no error.

        Raises:
            AmiError: Asterisk refused, or the connection broke: some are done, and which is not known.
            ValueError: a key or a value is none that Asterisk can keep; nothing is done then.
        """
        for key, value in puts.items():
            _check(key, value)
        actions: list[tuple[str, Headers]] = [
            ("DBPut", {"Family": self.name, "Key": key, "Val": value}) for key, value in puts.items()
        ]
        for some in _parts(actions):
            refusals = await self._control.ask_many(some)
            self.puts += len(some) - len(refusals)
            if refusals:
                raise refusals[0]
        for some in _parts([("DBDel", {"Family": self.name, "Key": key}) for key in deletes]):
            self.deletes += len(some) - len(await self._control.ask_many(some))


def fingerprint(value: str) -> int:
    """What stands for a value in a comparison, within this process."""
    return hash(value.encode())


def _check(key: str, value: str) -> None:
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is no key of Asterisk's database")
    if not value.isprintable() or len(value.encode()) > LONGEST_VALUE:
        raise ValueError(f"the value of {key} is longer than {LONGEST_VALUE} bytes or holds control characters")


def _parts(actions: list[tuple[str, Headers]]) -> list[list[tuple[str, Headers]]]:
    return [actions[start : start + IN_FLIGHT] for start in range(0, len(actions), IN_FLIGHT)]
