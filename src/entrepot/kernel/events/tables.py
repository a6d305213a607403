"""The table of events."""

from __future__ import annotations

from sqlalchemy import Column, Table

from entrepot.kernel.db import Id, Text, Timestamp, metadata

__all__ = ["events"]

events = Table(
    "kernel_event",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created", Timestamp, nullable=False),
    sqlite_autoincrement=True,
)
"""One row an event; ``kind`` is dotted (``archive.ingested``), ``body`` is a JSON object."""
