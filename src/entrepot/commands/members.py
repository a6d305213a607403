"""``entrepot member``: who belongs to which project."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from entrepot.commands.catalogue import on_catalogue
from entrepot.commands.output import AsJson, print_json, print_line, print_table
from entrepot.kernel import identity

__all__ = ["mount"]

Project = Annotated[str, typer.Argument(help="The project's key (a frame's proposal).", show_default=False)]
Member = Annotated[str, typer.Argument(help="The username.", show_default=False)]


def mount(app: typer.Typer) -> None:
    """Add ``entrepot member`` and its commands."""
    members = typer.Typer(
        help="Membership: who sees a project's data before they are public.", no_args_is_help=True
    )
    members.command("add", epilog="Example: entrepot member add LCO2026A-001 ada")(add)
    members.command("list", epilog="Example: entrepot member list LCO2026A-001")(show)
    members.command("remove", epilog="Example: entrepot member remove LCO2026A-001 ada")(remove)
    app.add_typer(members, name="member")


def add(project: Project, user: Member) -> None:
    """Make a user a member of a project; it counts at once."""
    new = on_catalogue(lambda database: identity.add_member(database, project, user))
    print_line(f"{user} is a member of {project}{' now' if new else ' already'}.")


def show(
    project: Annotated[
        str | None,
        typer.Argument(help="The project's key; without: all.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the members of a project, or of all projects."""
    found = on_catalogue(lambda database: identity.list_members(database, project))
    rows: list[dict[str, object]] = [asdict(membership) for membership in found]
    if as_json:
        print_json(rows)
    else:
        print_table(["project", "username", "created"], rows, nothing="There are no members.")


def remove(project: Project, user: Member) -> None:
    """End a membership; it counts at once."""
    on_catalogue(lambda database: identity.remove_member(database, project, user))
    print_line(f"{user} is no longer a member of {project}.")
