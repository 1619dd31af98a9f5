"""Looks for `leadline check` whether Asterisk holds its own copy of our routes and names, by which calls survive us."""

import asyncio

from sqlalchemy.exc import SQLAlchemyError

from ami_listener.link import AmiError, AmiLink, AmiRefusedError
from dialplan.words import COMPANY_FAMILY, COMPANY_PLAN, COMPANY_RULES, NUMBER_FAMILY
from leadline.check_pbx import logged_in
from leadline.database import NoDatabaseError, existing_database
from leadline.findings import Finding, Level, trouble
from leadline.pbx_settings import PbxSettings
from leadline.settings import Settings
from leads.store.number_owners import known_numbers

NAME = "copy in Asterisk"
FOLLOW_SECONDS = 2.0
"""What is changed just now is there after this time."""
TREE_SECONDS = 12.0


async def look_at_copy(settings: Settings, pbx: PbxSettings) -> list[Finding]:
    """Whether each number that anybody has is in Asterisk's database, and no other; needs the control account."""
    if not pbx.ami_control_secret.get_secret_value():
        return [
            Finding(
                NAME,
                Level.NOTE,
                "none is kept: no control account is set",
                "while Leadline is away calls go by leadline-defaults.conf; see docs/operation.md",
            )
        ]
    try:
        async with logged_in(pbx, pbx.ami_control_username, pbx.ami_control_secret) as link:
            found = await _compare(settings, link)
            if found is not None and found.is_trouble:
                await asyncio.sleep(FOLLOW_SECONDS)
                found = await _compare(settings, link)
            return [found] if found is not None else []
    except (AmiError, OSError) as error:
        return [trouble(NAME, str(error), "see the account leadline-control in asterisk-conf/manager.conf")]


async def _compare(settings: Settings, link: AmiLink) -> Finding | None:
    """What differs; None where the database does not answer, which is said already where it is looked at."""
    copied = {key for key in await _keys(link, NUMBER_FAMILY) if key.startswith("+")}
    company = await _keys(link, COMPANY_FAMILY)
    try:
        async with existing_database(settings.database_url) as database, database.read() as session:
            numbers = await known_numbers(session)
    except (SQLAlchemyError, NoDatabaseError, OSError):
        return None
    if {COMPANY_PLAN, COMPANY_RULES} - company:
        return trouble(NAME, "there is none", "start `leadline serve` with LEADLINE_AMI_CONTROL_SECRET; see its log")
    missing, superfluous = len(numbers - copied), len(copied - numbers)
    if missing or superfluous:
        return trouble(
            NAME,
            f"of {len(numbers)} numbers {missing} are missing, {superfluous} are there that nobody has",
            "see that `leadline serve` runs, and “copy of routes” in /healthz",
        )
    return Finding(NAME, Level.GOOD, f"holds all {len(numbers)} numbers")


async def _keys(link: AmiLink, family: str) -> set[str]:
    keys: set[str] = set()
    start = len(f"/{family}/")

    def take(row: bytes) -> None:
        keys.add(row.partition(b"\nKey: ")[2].partition(b"\n")[0][start:].decode("utf-8", "replace"))

    try:
        await link.ask_rows("DBGetTree", {"Family": family}, take, TREE_SECONDS)
    except AmiRefusedError as error:
        if "not found" not in str(error).lower():
            raise
    return keys
