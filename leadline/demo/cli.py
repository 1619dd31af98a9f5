"""The subcommands `leadline demo …`, which the Makefile calls."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="A whole telephone company on this machine, to try Leadline (`make run`).")

FOLDER = Path("var")
"""Where `make run` keeps its data, below the folder in which it is started."""


@app.command()
def run(
    listen: Annotated[str, typer.Option(help="The address that SIP, RTP and the panel listen on.")] = "127.0.0.1",
) -> None:
    """Start Asterisk, the database and the server; Ctrl+C ends all of them."""
    from leadline.demo.asterisk import AsteriskError
    from leadline.demo.asterisk_root import RootError
    from leadline.demo.run import run as run_demo
    from leadline.demo.server_process import ServerProcessError
    from leadline.demo.state import DemoError
    from leadline.settings import SettingsError

    try:
        run_demo(FOLDER, listen)
    except (DemoError, AsteriskError, RootError, ServerProcessError, SettingsError) as error:
        _fail(str(error))


@app.command()
def call(
    caller: Annotated[str, typer.Option("--from", help="The calling number, or `anonymous`.")],
    dialled: Annotated[str, typer.Option("--to", help="One of our numbers.")],
    name: Annotated[str, typer.Option(help="The name that the trunk delivers.")] = "",
) -> None:
    """Place a call from outside into the running demonstration."""
    from leadline.demo.asterisk import AsteriskError
    from leadline.demo.place_call import place_call
    from leadline.demo.sipp import PhoneError
    from leadline.demo.state import DemoError

    try:
        place_call(FOLDER, caller.strip(), dialled.strip(), name.strip() or None)
    except (DemoError, AsteriskError, PhoneError) as error:
        _fail(str(error))
    except KeyboardInterrupt:
        typer.echo("Broken off.")
        raise typer.Exit(130) from None


@app.command()
def root() -> None:
    """Build the Debian tree that Asterisk runs in, where it is missing (root only; a minute, 500 MB)."""
    from leadline.demo.asterisk_root import RootError, ensure_root

    try:
        ensure_root()
    except RootError as error:
        _fail(str(error))


def _fail(message: str) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(1)
