"""The command line: the kernel's commands and those of every module."""

from __future__ import annotations

import gc
import sys

import typer

from entrepot.app import modules
from entrepot.commands import members, service, tokens, users
from entrepot.commands.catalogue import opened
from entrepot.kernel.errors import Conflict, EntrepotError, NotFound, SettingsError

__all__ = ["command_line", "main"]

FAILED, USAGE, MISSING, TAKEN = 1, 2, 3, 4
"""Exit codes; docs/operate/cli.md says what they mean."""


def command_line() -> typer.Typer:
    """Build the command line."""
    app = typer.Typer(
        name="entrepot",
        help="One service for a scientific facility's data: file it, find it, hand it back.",
        epilog="Example: entrepot user add ada --role staff && entrepot serve",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback()(_begin)
    for part in (service, users, tokens, members):
        part.mount(app)
    for module in modules():
        module.mount_commands(app)
    return app


def _begin(context: typer.Context) -> None:
    context.obj = opened


def main() -> None:
    """Run the command that the arguments name; a failure is one sentence and an exit code."""
    # What was imported stays to the end: collecting it takes a third of a short command's time, and
    # server processes share its memory only as long as nobody visits it.
    gc.freeze()
    try:
        command_line()(prog_name="entrepot")
    except EntrepotError as error:
        _leave(error.detail, _exit_code(error))
    except OSError as error:
        _leave(f"{error}.", FAILED)


def _exit_code(error: EntrepotError) -> int:
    if isinstance(error, SettingsError):
        return USAGE
    if isinstance(error, NotFound):
        return MISSING
    return TAKEN if isinstance(error, Conflict) else FAILED


def _leave(sentence: str, code: int) -> None:
    typer.echo(sentence, err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
