"""Gives each bench a database of its own with 1,000,000 leads, filled once and then copied.

Filling takes minutes, a copy seconds. The filled file stays in the user's cache folder under a name that tells what
made it, so that a change to the tables or to the leads fills another.
"""

import asyncio
import hashlib
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench import seed as seed_module
from leads.store import migrate, search
from leads.store.engine import Database
from leads.store.migrate import upgrade
from leads.store.models import Did, Employee, Extension

LEADS = 1_000_000
DID = "0441234567"
DID_E164 = "+380441234567"
PHONE = "101"


def copy_database(path: Path, leads: int = LEADS) -> str:
    """Make a database at `path`: a company of one employee, who has a phone, and `leads` leads of his; give its URL."""
    filled = _cache() / f"bench-{leads}-{_key()}.db"
    if not filled.exists():
        print(f"bench: filling a database with {leads:,} leads …", file=sys.stderr, flush=True)
        filled.parent.mkdir(parents=True, exist_ok=True)
        for older in filled.parent.glob(f"bench-{leads}-*.db"):
            older.unlink()
        part = path.with_suffix(".part")
        asyncio.run(_fill(f"sqlite+aiosqlite:///{part}", leads))
        shutil.copyfile(part, incomplete := filled.with_suffix(f".{os.getpid()}"))
        incomplete.rename(filled)
        part.rename(path)
    else:
        shutil.copyfile(filled, path)
    return f"sqlite+aiosqlite:///{path}"


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leadline"


def _key() -> str:
    """A name for everything that decides what is in the file."""
    sources = [*Path(migrate.__file__).parent.glob("migrations/versions/*.py")]
    sources += [Path(__file__), *(Path(str(module.__file__)) for module in (seed_module, search))]
    digest = hashlib.sha256()
    for source in sorted(sources):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


async def _fill(url: str, leads: int) -> None:
    await upgrade(url)
    database = Database(url)
    try:
        async with database.write() as session:
            employee = Employee(name="Bench", call_waiting=True, created_at=datetime.now(UTC))
            session.add(employee)
            await session.flush()
            phone = Extension(number=PHONE, endpoint=f"PJSIP/{PHONE}", employee_id=employee.id)
            session.add(phone)
            await session.flush()
            session.add(Did(number=DID_E164, default_extension_id=phone.id, responsible_id=employee.id))
    finally:
        await database.dispose()
    await seed_module.seed(url, leads)
