"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["AsJson", "print_json", "print_line", "print_table"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.", show_default=False)]
"""The option of every command that prints data."""

UNWRAPPED = 10_000
"""Width of lines that no terminal wraps."""


def print_json(value: object) -> None:
    """Print one JSON document; moments as ``2026-01-31T12:00:00Z``."""
    typer.echo(json.dumps(value, default=_plain, ensure_ascii=False, indent=2))


def print_line(sentence: str) -> None:
    """Print a sentence."""
    typer.echo(sentence)


def print_table(
    columns: Sequence[str], rows: Sequence[Mapping[str, object]], *, nothing: str, widest: int | None = None
) -> None:
    """Print rows under their column names, or the sentence ``nothing`` when there are none.

    Except in the last column, a cell of more than ``widest`` characters takes several lines.
    """
    if not rows:
        typer.echo(nothing)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", max_width=None if column == columns[-1] else widest)
    for row in rows:
        table.add_row(*(Text(_cell(row[column])) for column in columns))
    width = None if sys.stdout.isatty() else UNWRAPPED
    Console(width=width, highlight=False).print(table)


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
    return "" if value is None else str(value)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} has no form in JSON")
