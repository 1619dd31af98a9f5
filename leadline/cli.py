"""The one command `leadline`: every job of an operator is a subcommand of it."""

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _root() -> None:
    """Leadline: Asterisk telephony integration."""


def main() -> None:
    """Run the command line."""
    app()
