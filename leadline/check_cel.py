"""Looks whether Asterisk's call records can be read, and whether they go on while calls are made (C3)."""

from contextlib import suppress
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from ami_listener.cel_source import CelSource, open_source
from leadline.database import NoDatabaseError, existing_database
from leadline.findings import Finding, Level, trouble
from leadline.pbx_settings import PbxSettings
from leadline.settings import Settings
from leads.store.recovery import last_heard_call

NAME = "call records"
LATE = timedelta(minutes=1)
"""Between the end of a call and its last row."""
_MEND = (
    "see the disk's free space, and `asterisk -rx 'cel show status'`: a back end that is not among the subscribers is"
    " to be loaded (`asterisk -rx 'module load cel_custom.so'`); else reload cel and its back end"
)


async def look_at_call_records(settings: Settings, pbx: PbxSettings) -> list[Finding]:
    """Whether the source of missed calls can be read, loses no rows by that, and has not stopped."""
    address = pbx.cel_source.get_secret_value()
    if not address:
        mend = "set LEADLINE_CEL_SOURCE, as in csv:/var/log/asterisk/cel-custom/leadline.csv"
        return [Finding(NAME, Level.NOTE, "none are named: calls made while Leadline is away are lost", mend)]
    try:
        source = open_source(address, settings.zone)
    except ValueError as error:
        return [trouble(NAME, str(error), "correct LEADLINE_CEL_SOURCE")]
    try:
        return [await _look(settings, pbx, source)]
    except (SQLAlchemyError, OSError) as error:
        why = str(error).splitlines()[0]
        return [trouble(NAME, f"{source.name}: {why}", "correct LEADLINE_CEL_SOURCE, or let this account read there")]
    finally:
        await source.close()


async def _look(settings: Settings, pbx: PbxSettings, source: CelSource) -> Finding:
    wrong = await source.trouble()
    if wrong is not None:
        return trouble(NAME, f"{source.name}: {wrong[0]}", wrong[1])
    newest = await source.newest()
    heard = None
    # That there is none, or that it does not answer, is told by the look at the database.
    with suppress(NoDatabaseError, SQLAlchemyError, OSError):
        async with existing_database(settings.database_url) as database, database.read() as session:
            heard = await last_heard_call(session, pbx.pbx_name)
    if heard is not None and (newest is None or heard - newest > LATE):
        written = newest.isoformat(" ", "seconds") if newest else "never"
        return trouble(
            NAME, f"have stopped: last written {written}, but a call ended {heard.isoformat(' ', 'seconds')}", _MEND
        )
    if newest is not None:
        return Finding(NAME, Level.GOOD, f"{source.name} was last written {newest.isoformat(' ', 'seconds')}")
    if pbx.ami_control_secret.get_secret_value():
        return trouble(NAME, f"{source.name}: nothing is there, though the check itself made a call", _MEND)
    return Finding(NAME, Level.NOTE, f"{source.name}: nothing is there yet", "make a call, and check again")
