"""The copy in a real Asterisk follows what anybody changes, and outlives Asterisk's death (C9)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from ami_listener.connection import AmiAccount
from ami_listener.control import ControlConnection
from leadline.company_copy import CompanyCopy, CopyRules
from leadline.demo.company import seed_company
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.lookup import CallerLookup
from leads.store.migrate import upgrade
from tests.lab.dialplan_lab import DialplanLab

pytestmark = pytest.mark.lab

OLHA = "+380672223344"
EVERY = timedelta(minutes=10)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DialplanLab]:
    with DialplanLab(tmp_path_factory.mktemp("copy")) as lab:
        yield lab


class Copying:
    """A copy at work, its database, and what Asterisk holds of it."""

    def __init__(self, lab: DialplanLab, database: Database, copy: CompanyCopy) -> None:
        self.lab, self.database, self.copy = lab, database, copy

    async def execute(self, *statements: str) -> None:
        """Change the records as another process would."""
        async with self.database.write() as session:
            for statement in statements:
                await session.execute(text(statement))

    async def entry(self, family: str, key: str) -> str | None:
        told = await asyncio.to_thread(self.lab.asterisk.cli, f"database get {family} {key}")
        return told.removeprefix("Value: ").strip() if told.startswith("Value:") else None

    async def await_entry(self, family: str, key: str, value: str | None) -> None:
        async with asyncio.timeout(20):
            while (found := await self.entry(family, key)) != value:  # noqa: ASYNC110 - AstDB tells nobody
                await asyncio.sleep(0.05)
        assert found == value

    async def await_comparison(self, number: int) -> None:
        async with asyncio.timeout(30):
            while self.copy.health.comparisons < number:  # noqa: ASYNC110 - health has no event to wait for
                await asyncio.sleep(0.05)
            await self.copy.in_step.wait()


@pytest.fixture
async def copying(lab: DialplanLab, tmp_path: Path) -> AsyncIterator[Copying]:
    url = f"sqlite+aiosqlite:///{tmp_path}/leadline.db"
    await upgrade(url)
    database = Database(url)
    await seed_company(database, datetime.now(UTC))
    lookup, directories = await CallerLookup.open(url), DirectoryCache(database)
    await directories.refresh()
    control = ControlConnection(AmiAccount("127.0.0.1", lab.values.ami_port, "leadline-control", "control-secret"))
    copy = CompanyCopy(control, database, lookup, directories, CopyRules("UA", "103", "uk", EVERY, ZoneInfo("UTC")))
    tasks = [asyncio.create_task(control.run()), asyncio.create_task(copy.run())]
    try:
        await asyncio.wait_for(copy.in_step.wait(), 20)
        yield Copying(lab, database, copy)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await lookup.close()
        await database.dispose()


async def test_each_change_reaches_asterisk_at_once(copying: Copying) -> None:
    assert await copying.entry("leadline-number", OLHA) == "1|Olha Melnychenko~u24~Ольга Мельниченко"
    assert await copying.entry("leadline-employee", "2") == "P,10,0PJSIP/102,*,"
    assert await copying.entry("leadline-company", "plan") == "L1||P,30,0PJSIP/103,*,"
    await copying.execute(f"UPDATE lead SET name = 'Ольга Нова', responsible_id = 2 WHERE main_number = '{OLHA}'")
    await copying.await_entry("leadline-number", OLHA, "2|Olha Nova~u24~Ольга Нова")
    await copying.execute("UPDATE employee SET ring_seconds = 25, call_waiting = true WHERE id = 2")
    await copying.await_entry("leadline-employee", "2", "P,25,1PJSIP/102,*,")
    await copying.execute("UPDATE did SET group_id = NULL WHERE number = '+380441234567'")
    await copying.await_entry("leadline-did", "0441234567", "L1||P,30,0PJSIP/103,*,")
    await copying.execute("UPDATE employee SET active = false WHERE id = 2")
    await copying.await_entry("leadline-employee", "2", None)
    await copying.execute(f"DELETE FROM phone_number WHERE number = '{OLHA}'")
    await copying.await_entry("leadline-number", OLHA, None)
    # A display of another kind needs another form of every name.
    await copying.execute("UPDATE extension SET display_mode = 'utf8', display_length = 6 WHERE number = '103'")
    await copying.await_entry("leadline-number", "+380501112233", "2|Yurii Shcherban~u24!u6~Юрій Щербань~Юрій Щ")
    assert copying.copy.health.last_error is None


async def test_who_is_away_for_a_while_comes_back_by_himself(copying: Copying) -> None:
    step = await copying.entry("leadline-employee", "1")

    def after(seconds: float) -> str:
        return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S.%f")

    await copying.execute(
        "INSERT INTO employee_duty (employee_id, away, away_until, substitute_id) "
        f"VALUES (1, true, '{after(3600)}', 2), (2, false, NULL, NULL)",
        f"UPDATE phone_number SET last_talker_id = 3 WHERE number = '{OLHA}'",
    )
    await copying.await_entry("leadline-employee", "1", None)
    assert await copying.entry("leadline-employee", "1s") == await copying.entry("leadline-employee", "2")
    await copying.await_entry("leadline-number", OLHA, "1-3|Olha Melnychenko~u24~Ольга Мельниченко")
    await copying.execute(f"UPDATE employee_duty SET away_until = '{after(2)}' WHERE employee_id = 1")
    await copying.await_entry("leadline-employee", "1", step)


async def test_what_asterisk_forgot_or_others_wrote_is_mended_by_the_next_comparison(copying: Copying) -> None:
    compared = copying.copy.health.comparisons
    for command in (f"database del leadline-number {OLHA}", 'database put leadline-number +380990000000 "1|Nobody"'):
        await asyncio.to_thread(copying.lab.asterisk.cli, command)
    copying.lab.asterisk.kill()
    copying.lab.asterisk.start()
    await copying.await_comparison(compared + 1)
    assert await copying.entry("leadline-number", OLHA) == "1|Olha Melnychenko~u24~Ольга Мельниченко"
    assert await copying.entry("leadline-number", "+380990000000") is None
    assert copying.copy.health.numbers == 5


async def test_a_database_in_trouble_stops_the_copy_only_as_long(copying: Copying) -> None:
    await copying.execute("ALTER TABLE number_change RENAME TO away")
    async with asyncio.timeout(20):
        while copying.copy.in_step.is_set():  # noqa: ASYNC110 - health has no event to wait for
            await asyncio.sleep(0.05)
    assert "number_change" in (copying.copy.health.last_error or "")
    await copying.execute("ALTER TABLE away RENAME TO number_change")
    await asyncio.wait_for(copying.copy.in_step.wait(), 20)
    await copying.execute("UPDATE lead SET responsible_id = 3 WHERE main_number = '+380501112233'")
    await copying.await_entry("leadline-number", "+380501112233", "3|Yurii Shcherban~u24~Юрій Щербань")
