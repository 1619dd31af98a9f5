"""The one command `leadline`: every job of an operator is a subcommand of it."""

import asyncio
import json
import os
import secrets
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from leadline.demo.cli import FOLDER as DEMO_FOLDER
from leadline.demo.cli import app as demo
from leadline.logs import configure_logs
from leadline.pbx_settings import PREFIX
from leadline.settings import Settings, SettingsError, known_region, load_settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Leadline: Asterisk telephony integration.",
)
admin = typer.Typer(no_args_is_help=True, help="People who may use the panel.")
app.add_typer(admin, name="admin")
app.add_typer(demo, name="demo")

T = TypeVar("T")


def main() -> None:
    """Run the command line."""
    app()


def settings_or_exit(file: Path | None = None) -> Settings:
    """Load the settings, or end with the names of those that are wrong; `file` is in place of LEADLINE_ENV_FILE."""
    try:
        settings = load_settings(file)
    except SettingsError as error:
        _fail(f"Settings are wrong:\n{error}")
    configure_logs(settings.log_format, settings.log_level)
    return settings


def _demonstration() -> Path | None:
    """The settings of `make run` while it runs in this folder: who sets none of his own asks about that."""
    if any(name.startswith(PREFIX) for name in os.environ):
        return None
    from leadline.demo.state import running_settings

    file = running_settings(DEMO_FOLDER)
    if file is not None:
        typer.echo("(With the settings of `make run`, which runs here.)", err=True)
    return file


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(2)


def _run(work: Coroutine[Any, Any, T]) -> T:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return asyncio.run(work)
    except (SQLAlchemyError, OSError) as error:
        _fail(f"The database cannot be used: {str(error).splitlines()[0]}\nSee `leadline check`.")


@app.command()
def serve() -> None:
    """Run the server: FastAGI, AMI listener and panel, until SIGINT or SIGTERM."""
    import uvloop

    from leadline.parts import ServerError
    from leadline.server import run_server

    settings = settings_or_exit()
    try:
        uvloop.run(run_server(settings))
    except ServerError as error:
        _fail(str(error))


@app.command()
def migrate() -> None:
    """Bring the database to the tables this version needs; safe to repeat, and while other servers start."""
    from leads.store.migrate import MigrationError, revisions, upgrade

    settings = settings_or_exit()

    async def work() -> tuple[str | None, str]:
        await upgrade(settings.database_url)
        return await revisions(settings.database_url)

    try:
        current, _ = _run(work())
    except (MigrationError, OSError) as error:
        _fail(f"The database was not migrated: {error}")
    typer.echo(f"The database is at revision {current}.")


@app.command()
def route(
    number: Annotated[str, typer.Argument(help="The caller's number, in any form; `anonymous` for a hidden one.")],
    to: Annotated[str | None, typer.Option("--to", help="The dialled number of ours.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
) -> None:
    """Show whom a call would reach now, what the displays would show, and why; nothing is dialled."""
    from leadline.dry_run import dry_run
    from leadline.route_text import describe_route, explained_json

    settings = settings_or_exit(_demonstration())
    decision = _run(dry_run(settings, number, to))
    typer.echo(
        json.dumps(explained_json(decision), ensure_ascii=False) if as_json else describe_route(number, decision)
    )


@app.command()
def replay(
    file: Annotated[Path | None, typer.Argument(help="AMI events as they came over the wire.")] = None,
    cel: Annotated[
        Path | None, typer.Option("--cel", help="Instead of them, a table of CEL as CSV with a line of column names.")
    ] = None,
    trunk: Annotated[
        list[str] | None, typer.Option("--trunk", help="Channels that are trunks, as in 'PJSIP/trunk*'; repeatable.")
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", help="Country whose national numbers these are, as in NL.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line for each call.")] = False,
) -> None:
    """Tell the calls that a recorded AMI stream or a table of CEL stands for, by the code that follows live ones."""
    from ami_listener.replay import ReplayError, calls_of_cel, calls_of_stream, replay_json_lines, replay_table

    path = cel or file
    if path is None or (cel and file):
        _fail("Name one recording: leadline replay FILE, or leadline replay --cel FILE.csv")
    settings = settings_or_exit()
    read = calls_of_cel if cel else calls_of_stream
    try:
        country = known_region(region) if region is not None else settings.region
    except ValueError as error:
        _fail(f"--region {region}: {error}")
    arguments = (path, tuple(trunk or settings.trunks), country, read)
    try:
        lines = _run(replay_json_lines(*arguments) if as_json else replay_table(*arguments))
    except ReplayError as error:
        _fail(str(error))
    for line in lines:
        typer.echo(line)


@app.command()
def check(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line for each finding.")] = False,
) -> None:
    """Find what is wrong with this installation and say how to mend it; ends with 1 when something is."""
    from leadline.check import check_installation

    findings = _run(check_installation(settings_or_exit(_demonstration())))
    for finding in findings:
        typer.echo(json.dumps(finding.as_json(), ensure_ascii=False) if as_json else finding.as_text())
    raise typer.Exit(any(finding.is_trouble for finding in findings))


@app.command()
def defaults() -> None:
    """Print leadline-defaults.conf: what Asterisk does with each of our numbers while Leadline cannot be asked.

    Needed only where Leadline has no control account, by which it keeps the same in Asterisk's database.
    """
    from dialplan.defaults import default_plans, render_defaults
    from dialplan.forms import phone_entries
    from leadline.database import existing_database
    from leads.domain.displays import displays_of
    from leads.store.directory import load_directory

    settings = settings_or_exit(_demonstration())

    async def work() -> str:
        async with existing_database(settings.database_url) as database, database.read() as session:
            directory = await load_directory(session)
        plans = default_plans(directory, region=settings.region, default_extension=settings.default_extension)
        displays = displays_of(directory.extensions.values())
        return render_defaults(plans, phone_entries(directory, displays, settings.name_language))

    typer.echo(_run(work()), nl=False)


@app.command()
def agi() -> None:
    """Answer one call as an AGI script that Asterisk starts, for a PBX that forbids FastAGI."""
    from leadline.agi_script import answer_call

    raise typer.Exit(answer_call(sys.stdin.buffer, sys.stdout.buffer))


@admin.command("create")
def create_admin(
    login: str,
    name: Annotated[str, typer.Option(help="The name that colleagues see.")] = "Administrator",
) -> None:
    """Make an administrator; his generated password is printed once and kept only as a hash."""
    from leads.store.access import create_admin

    def write(session: "AsyncSession", password: str) -> Coroutine[Any, Any, object]:
        return create_admin(session, login, name, password, datetime.now(UTC))

    _hand_out_password(login, write)


@admin.command("reset-password")
def reset_password(login: str) -> None:
    """Give a person a new password, printed once; all of his sessions end."""
    from leads.store.access import set_password

    _hand_out_password(login, lambda session, password: set_password(session, login, password))


def _hand_out_password(login: str, write: "Callable[[AsyncSession, str], Coroutine[Any, Any, object]]") -> None:
    """Have `write` keep a generated password in one transaction, then print it, this once."""
    from leadline.database import existing_database
    from leads.store.access import AccessError
    from leads.store.audit import Actor, act_as

    settings = settings_or_exit()
    password = secrets.token_urlsafe(12)

    async def work() -> None:
        act_as(Actor(None, "leadline admin", datetime.now(UTC)))
        async with existing_database(settings.database_url) as database, database.write() as session:
            await write(session, password)

    try:
        _run(work())
    except AccessError as error:
        _fail(str(error))
    typer.echo(f"Login: {login}\nPassword: {password}")
