"""Looks at an installation as it is, and says what is wrong and how to mend it; changes nothing but one AstDB key.

Each look has a deadline and stands alone: what is not reachable must not hide what else is wrong.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from agi.askers import Askers
from agi.protocol import set_variable
from dialplan.words import CHECK_DID, PLAN, ROUTE_PATH
from leadline import check_cel, check_copy, check_pbx
from leadline.check_recordings import look_at_recordings
from leadline.database import NoDatabaseError, existing_database, refuse_missing
from leadline.findings import Finding, Level, trouble
from leadline.settings import Settings
from leads.domain.directory import Directory
from leads.store.directory import load_directory
from leads.store.migrate import revisions, wrong_revision

LOOK_SECONDS = 15.0
CALL_SECONDS = 5.0

Look = Callable[[], Awaitable[list[Finding]]]


async def check_installation(settings: Settings) -> list[Finding]:
    """Take every look, one after the other; what concerns one of several Asterisks begins with its name."""
    looks: list[tuple[str, Look]] = [
        ("database", partial(look_at_database, settings)),
        ("FastAGI", partial(look_at_fastagi, settings)),
    ]
    findings = await _take(looks)
    for pbx in settings.pbxes:
        of_one = await _take([(name, partial(look, pbx)) for name, look in check_pbx.LOOKS])
        of_one += await _take([(check_cel.NAME, partial(check_cel.look_at_call_records, settings, pbx))])
        of_one += await _take([(check_copy.NAME, partial(check_copy.look_at_copy, settings, pbx))])
        several = len(settings.pbxes) > 1
        findings += [replace(one, name=f"{pbx.pbx_name}: {one.name}") for one in of_one] if several else of_one
    return findings


async def _take(looks: Sequence[tuple[str, Look]]) -> list[Finding]:
    findings: list[Finding] = []
    for name, look in looks:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                findings += await look()
        except TimeoutError:
            findings.append(trouble(name, f"no answer within {LOOK_SECONDS:g} s", "see whether it hangs"))
    return findings


async def look_at_database(settings: Settings) -> list[Finding]:
    """Whether it answers, has our tables, and tells calls where to go."""
    try:
        refuse_missing(settings.database_url)
        current, head = await revisions(settings.database_url)
        wrong = wrong_revision(current)
        if wrong is not None:
            return [trouble("database", *wrong)]
        async with existing_database(settings.database_url) as database, database.read() as session:
            directory = await load_directory(session)
    except NoDatabaseError as error:
        mend = "run `leadline migrate`, or correct LEADLINE_DATABASE_URL"
        return [trouble("database", f"there is no {error.file}", mend)]
    except (SQLAlchemyError, OSError) as error:
        return [trouble("database", str(error).splitlines()[0], "correct LEADLINE_DATABASE_URL or start the database")]
    good = Finding("database", Level.GOOD, f"answers, at revision {head}")
    return [good, *look_at_ways(settings, directory), *look_at_recordings(settings, directory)]


def look_at_ways(settings: Settings, directory: Directory) -> list[Finding]:
    """Whether a caller whom nobody knows would reach somebody; what is right is not told."""
    findings = []
    if not directory.dids:
        findings.append(
            Finding("our numbers", Level.NOTE, "there is none", "enter them in the panel under Our numbers")
        )
    default = settings.default_extension
    if default and default not in directory.extensions:
        findings.append(
            trouble(
                "default phone",
                f"{default}, which rings when nobody else is found, is no employee's phone",
                f"enter {default} in the panel on the card of whoever has it, or correct LEADLINE_DEFAULT_EXTENSION",
            )
        )
    for did in directory.dids.values():
        rings = did.queue or did.default_extension or default
        group = directory.groups.get(did.group_id) if did.group_id else None
        if not rings and not (group and group.extensions):
            findings.append(
                trouble(
                    f"number {did.number}",
                    "an unknown caller would reach nobody",
                    "give it a group with phones, a queue or a default phone in the panel",
                )
            )
    return findings


async def look_at_fastagi(settings: Settings) -> list[Finding]:
    """Whether the server answers a question from here."""
    where = f"{settings.fastagi_host}:{settings.fastagi_port}"
    expected = set_variable(PLAN, "").decode().split('"')[0]
    try:
        async with asyncio.timeout(CALL_SECONDS):
            reader, writer = await asyncio.open_connection(settings.fastagi_host, settings.fastagi_port)
            try:
                path = _path_for(settings, writer.get_extra_info("sockname")[0])
                if path is None:
                    return [
                        Finding("FastAGI", Level.NOTE, f"{where} listens; LEADLINE_FASTAGI_ALLOW lets only others ask")
                    ]
                question = (
                    f"agi_network: yes\nagi_network_script: {path}\nagi_callerid: unknown\nagi_arg_1: {CHECK_DID}\n\n"
                )
                writer.write(question.encode())
                answer = (await reader.readline()).decode(errors="replace")
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        why = str(error) or "no answer"
        return [
            trouble("FastAGI", f"{where}: {why}", "start `leadline serve`, or correct LEADLINE_FASTAGI_HOST and _PORT")
        ]
    if not answer.startswith(expected):
        return [trouble("FastAGI", f"{where} gave no plan", "see whether something else listens there")]
    return [Finding("FastAGI", Level.GOOD, f"{where} answers with a plan")]


def _path_for(settings: Settings, address: str) -> str | None:
    """By which path this machine may ask, as one of the Asterisks that may be at its address."""
    askers = Askers({pbx.pbx_name: pbx.fastagi_allow for pbx in settings.pbxes})
    paths = (f"{ROUTE_PATH}/{pbx.pbx_name}" for pbx in settings.pbxes)
    return next((path for path in paths if askers.who_asks(path, address)), None)
