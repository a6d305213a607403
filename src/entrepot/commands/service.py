"""Running the service and looking after it: serve, worker, migrate, settings, version."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Annotated

import typer

from entrepot import __version__
from entrepot.app import load
from entrepot.commands.catalogue import with_database
from entrepot.commands.output import AsJson, print_json, print_line, print_table
from entrepot.kernel import db
from entrepot.kernel.db import Database, SchemaState
from entrepot.kernel.settings import describe_settings
from entrepot.serve import serve as run_server
from entrepot.worker import work as run_worker

__all__ = ["mount"]

OUTCOMES = {
    SchemaState.EMPTY: "was empty; its schema has been made",
    SchemaState.BEHIND: "had an older schema; it has been brought up to date",
    SchemaState.CURRENT: "is up to date; there was nothing to do",
}
MOST_WORKERS = 256


def mount(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("serve", epilog="Example: entrepot serve --host 0.0.0.0 --port 8000 --workers 4")(serve)
    app.command("worker", epilog="Example: ENTREPOT_BROKER_URL=amqp://broker entrepot worker")(worker)
    app.command("migrate", epilog="Example: entrepot migrate --json")(migrate)
    app.command("settings", epilog="Example: ENTREPOT_PORT=9000 entrepot settings")(settings)
    app.command("version", epilog="Example: entrepot version")(version)


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; over ENTREPOT_HOST.", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen on; over ENTREPOT_PORT.", min=1, max=65535, show_default=False),
    ] = None,
    workers: Annotated[int, typer.Option(help="Server processes.", min=1, max=MOST_WORKERS)] = 1,
) -> None:
    """Run the service in the foreground, until SIGTERM or Ctrl-C.

    One line on standard output says when it answers; the log goes to standard error.
    """
    raise typer.Exit(run_server(load(os.environ, host=host, port=port), workers=workers))


def worker() -> None:
    """Run background jobs that come over the broker (ENTREPOT_BROKER_URL), until SIGTERM or Ctrl-C."""
    run_worker(load(os.environ))


def migrate(as_json: AsJson = False) -> None:
    """Bring the catalogue's schema to this version's; a SQLite catalogue is copied first."""

    async def act(database: Database) -> tuple[str, SchemaState]:
        where = str(database.file or f"{database.url.database} at {database.url.host}")
        return where, await db.migrate(database)

    where, found = with_database(load(os.environ), act)
    if as_json:
        changed = found is not SchemaState.CURRENT
        print_json({"catalogue": where, "found": found.value, "changed": changed})
    else:
        print_line(f"The catalogue {where} {OUTCOMES[found]}.")


def settings(as_json: AsJson = False) -> None:
    """Print the effective settings with default and meaning; secrets are masked."""
    rows: list[dict[str, object]] = [asdict(line) for line in describe_settings(load(os.environ))]
    if as_json:
        print_json(rows)
    else:
        print_table(
            ["name", "value", "default", "meaning"], rows, nothing="There are no settings.", widest=60
        )


def version(as_json: AsJson = False) -> None:
    """Print the version."""
    if as_json:
        print_json({"name": "entrepot", "version": __version__})
    else:
        print_line(f"entrepot {__version__}")
