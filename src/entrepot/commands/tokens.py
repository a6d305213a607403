"""``entrepot token``: what programs and people show to be let in."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from entrepot.commands.catalogue import on_catalogue
from entrepot.commands.output import AsJson, print_json, print_line, print_table
from entrepot.kernel import identity
from entrepot.kernel.identity import Scope

__all__ = ["mount"]

LONGEST_LIFE = 36_500
COLUMNS = ["id", "username", "name", "scope", "created", "expires", "last_used"]


def mount(app: typer.Typer) -> None:
    """Add ``entrepot token`` and its commands."""
    tokens = typer.Typer(help="Tokens: add, list, revoke.", no_args_is_help=True)
    tokens.command("add", epilog="Example: TOKEN=$(entrepot token add ada --scope read --expires-days 30)")(
        add
    )
    tokens.command("list", epilog="Example: entrepot token list ada")(show)
    tokens.command("revoke", epilog="Example: entrepot token revoke 7")(revoke)
    app.add_typer(tokens, name="token")


def add(
    user: Annotated[str, typer.Argument(help="Whose token.", show_default=False)],
    scope: Annotated[
        Scope, typer.Option(help="What it may be used for; it never allows more than its owner's role.")
    ] = Scope.WRITE,
    name: Annotated[str, typer.Option("--name", metavar="LABEL", help="What to call it.")] = "command line",
    expires_days: Annotated[
        int | None,
        typer.Option(min=1, max=LONGEST_LIFE, help="Days that it works; without: until revoked."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it; it can't be shown again."""
    expires = None if expires_days is None else datetime.now(UTC) + timedelta(days=expires_days)
    issued = on_catalogue(
        lambda database: identity.add_token(database, user, name=name, scope=scope, expires=expires)
    )
    if as_json:
        print_json({**asdict(issued.token), "token": issued.secret})
    else:
        print_line(issued.secret)


def show(
    user: Annotated[
        str | None, typer.Argument(help="Whose tokens; without: all.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List tokens, without their secrets; the last use is right to the hour."""
    found = on_catalogue(lambda database: identity.list_tokens(database, user))
    rows: list[dict[str, object]] = [asdict(token) for token in found]
    if as_json:
        print_json(rows)
    else:
        print_table(COLUMNS, rows, nothing="There are no tokens.")


def revoke(
    id: Annotated[  # noqa: A002 - what `token list` calls it
        int, typer.Argument(help="The number in `entrepot token list`.", show_default=False)
    ],
) -> None:
    """Make a token stop working at once."""
    on_catalogue(lambda database: identity.revoke_token(database, id))
    print_line(f"Token {id} is revoked.")
