"""``entrepot user``: accounts."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from entrepot.commands.catalogue import on_catalogue
from entrepot.commands.output import AsJson, print_json, print_line, print_table
from entrepot.kernel import identity
from entrepot.kernel.errors import InvalidInput
from entrepot.kernel.identity import Role, User

__all__ = ["mount"]

Name = Annotated[str, typer.Argument(help="The username.", show_default=False)]
LONGEST_LINE = 8192


def mount(app: typer.Typer) -> None:
    """Add ``entrepot user`` and its commands."""
    users = typer.Typer(help="Accounts: add, list, disable, enable, password, role.", no_args_is_help=True)
    users.command("add", epilog="Example: entrepot user add ada --role staff")(add)
    users.command("list", epilog="Example: entrepot user list --json")(show)
    users.command("disable", epilog="Example: entrepot user disable ada")(disable)
    users.command("enable", epilog="Example: entrepot user enable ada")(enable)
    users.command("password", epilog="Example: pass show entrepot/ada | entrepot user password ada")(password)
    users.command("role", epilog="Example: entrepot user role ada admin")(role)
    app.add_typer(users, name="user")


def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="What the person is here for.")] = Role.USER,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="Ask for no password: the user comes by token alone.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an account.

    The password is asked for twice at a terminal; otherwise it is one line of standard input.
    """
    secret = None if no_password else _read_password("--no-password makes a user who comes by token alone")
    user = on_catalogue(lambda database: identity.add_user(database, name, role, secret))
    if as_json:
        print_json(_row(user))
    else:
        print_line(f"User {user.username} was added with the role {user.role}.")


def show(as_json: AsJson = False) -> None:
    """List the accounts."""
    rows = [_row(user) for user in on_catalogue(identity.list_users)]
    if as_json:
        print_json(rows)
    else:
        columns = ["username", "role", "password", "created", "disabled"]
        print_table(columns, [_worded(row) for row in rows], nothing="There are no users yet.")


def disable(name: Name) -> None:
    """Close an account; its tokens and its password stop working at once."""
    on_catalogue(lambda database: identity.disable_user(database, name))
    print_line(f"User {name} is disabled.")


def enable(name: Name) -> None:
    """Open a closed account again."""
    on_catalogue(lambda database: identity.enable_user(database, name))
    print_line(f"User {name} is enabled.")


def password(name: Name) -> None:
    """Set another password; the user's sign-ins end, tokens made by `entrepot token add` stay.

    It is asked for twice at a terminal; otherwise it is one line of standard input.
    """
    secret = _read_password("send one line")
    on_catalogue(lambda database: identity.set_password(database, name, secret))
    print_line(f"User {name} has a new password.")


def role(name: Name, role: Annotated[Role, typer.Argument(help="The new role.", show_default=False)]) -> None:
    """Give an account another role; it counts at once."""
    on_catalogue(lambda database: identity.set_role(database, name, role))
    print_line(f"User {name} has the role {role} now.")


def _row(user: User) -> dict[str, object]:
    return {
        "username": user.username,
        "role": user.role,
        "password": user.has_password,
        "created": user.created,
        "disabled": user.disabled,
    }


def _worded(row: dict[str, object]) -> dict[str, object]:
    return {**row, "password": "yes" if row["password"] else "no"}


def _read_password(otherwise: str) -> str:
    if sys.stdin.isatty():
        prompted: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return prompted
    line = sys.stdin.buffer.readline(LONGEST_LINE)
    if not line:
        raise InvalidInput(f"No password came on standard input; {otherwise}.", where="password")
    try:
        return line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InvalidInput("The password on standard input must be UTF-8 text.", where="password") from error
