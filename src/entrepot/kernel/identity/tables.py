"""The tables of people, their tokens and the projects they belong to."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table

from entrepot.kernel.db import Id, Text, Timestamp, metadata

__all__ = ["membership", "token", "user"]

user = Table(
    "kernel_user",
    metadata,
    Column("id", Id(), primary_key=True, autoincrement=True),
    Column("username", Text(), nullable=False, unique=True),
    Column("folded", Text(), nullable=False, unique=True),
    Column("password", Text(), nullable=False),
    Column("role", Text(), nullable=False),
    Column("created", Timestamp(), nullable=False),
    Column("disabled", Timestamp()),
    CheckConstraint("role IN ('user', 'staff', 'admin')", name="role"),
    sqlite_autoincrement=True,
)
"""``folded`` is the name without case; ``password`` is a hash, or empty: no sign-in by password."""

token = Table(
    "kernel_token",
    metadata,
    Column("id", Id(), primary_key=True, autoincrement=True),
    Column("user_id", Id(), ForeignKey(user.c.id, ondelete="CASCADE"), nullable=False),
    Column("name", Text(), nullable=False),
    Column("digest", Text(), nullable=False, unique=True),
    Column("scope", Text(), nullable=False),
    Column("created", Timestamp(), nullable=False),
    Column("expires", Timestamp()),
    Column("last_used", Timestamp()),
    CheckConstraint("scope IN ('read', 'write', 'admin')", name="scope"),
    sqlite_autoincrement=True,
)
"""``digest`` is the SHA-256 of the secret, in hexadecimal; ``last_used`` is kept to the hour."""

Index(None, token.c.user_id)

membership = Table(
    "kernel_membership",
    metadata,
    Column("id", Id(), primary_key=True, autoincrement=True),
    Column("user_id", Id(), ForeignKey(user.c.id, ondelete="CASCADE"), nullable=False),
    Column("project", Text(), nullable=False),
    Column("created", Timestamp(), nullable=False),
    Index(None, "user_id", "project", unique=True),
    Index(None, "project"),
    sqlite_autoincrement=True,
)
