"""All SQL about people, tokens and memberships; gives models."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from entrepot.kernel.db import Prepared, ReadSession, WriteSession, named
from entrepot.kernel.identity.models import Account, Caller, Membership, Role, Scope, Token, User
from entrepot.kernel.identity.tables import membership, token, user

__all__ = [
    "account",
    "caller_of",
    "delete_membership",
    "delete_named_tokens",
    "delete_token",
    "insert_membership",
    "insert_token",
    "insert_user",
    "members",
    "set_disabled",
    "set_password",
    "set_role",
    "tokens",
    "touch",
    "trim_named_tokens",
    "user_by_folded",
    "user_by_name",
    "users",
]

SEPARATOR = "\n"
"""Between a caller's projects in one text; a project key has no control characters."""

_projects = (
    select(func.aggregate_strings(membership.c.project, SEPARATOR))
    .where(membership.c.user_id == user.c.id)
    .scalar_subquery()
)
_caller = (
    select(
        token.c.id,
        token.c.scope,
        token.c.expires,
        user.c.id,
        user.c.username,
        user.c.role,
        user.c.disabled,
        _projects,
    )
    .join(user, user.c.id == token.c.user_id)
    .where(token.c.digest == named("digest", token.c.digest.type))
)
_prepared_caller = Prepared(lambda _: _caller)
_user = select(user.c.id, user.c.username, user.c.role, user.c.created, user.c.disabled, user.c.password)
_token = select(
    token.c.id,
    user.c.username,
    token.c.name,
    token.c.scope,
    token.c.created,
    token.c.expires,
    token.c.last_used,
).join(user, user.c.id == token.c.user_id)


async def caller_of(session: ReadSession, digest: str, now: datetime) -> Caller | None:
    """Give the caller whose valid token has this digest; one statement."""
    row = await session.row(_prepared_caller, {"digest": digest})
    if row is None:
        return None
    token_id, scope, expires, user_id, username, role, disabled, projects = row
    if disabled is not None or (expires is not None and expires <= now):
        return None
    keys = frozenset[str](projects.split(SEPARATOR)) if projects else frozenset[str]()
    return Caller(user_id, username, Role(role), Scope(scope), keys, token_id)


def _as_user(row: Row[int, str, str, datetime, datetime | None, str]) -> User:
    number, username, role, created, disabled, password = row
    return User(number, username, Role(role), created, disabled, has_password=bool(password))


async def _one_user(session: ReadSession, condition: ColumnElement[bool]) -> User | None:
    row = await session.first(_user.where(condition))
    return None if row is None else _as_user(row)


async def user_by_name(session: ReadSession, username: str) -> User | None:
    """Give the user of this name."""
    return await _one_user(session, user.c.username == username)


async def user_by_folded(session: ReadSession, folded: str) -> User | None:
    """Give the user whose name is this but for case."""
    return await _one_user(session, user.c.folded == folded)


async def users(session: ReadSession) -> list[User]:
    """List all users by name."""
    return [_as_user(row) for row in await session.all(_user.order_by(user.c.username))]


async def account(session: ReadSession, username: str, *, lock: bool = False) -> Account | None:
    """Give what signing in needs; with ``lock`` nobody else changes it in this transaction."""
    statement = select(user.c.id, user.c.password, user.c.disabled).where(user.c.username == username)
    row = await session.first(statement.with_for_update() if lock else statement)
    return None if row is None else Account(row[0], row[1], disabled=row[2] is not None)


async def insert_user(
    session: WriteSession, *, username: str, folded: str, password: str, role: Role, created: datetime
) -> User:
    """Add a user; raises Duplicate where the name is taken, be it in another case."""
    values = {"username": username, "folded": folded, "password": password, "role": role, "created": created}
    result = await session.execute(insert(user).values(values).returning(user.c.id))
    return User(result.scalar_one(), username, role, created, None, has_password=bool(password))


async def set_password(session: WriteSession, user_id: int, password: str) -> None:
    """Store another hash."""
    await session.execute(update(user).where(user.c.id == user_id).values(password=password))


async def set_role(session: WriteSession, user_id: int, role: Role) -> None:
    """Store another role."""
    await session.execute(update(user).where(user.c.id == user_id).values(role=role))


async def set_disabled(session: WriteSession, user_id: int, disabled: datetime | None) -> None:
    """Close an account, or with None open it again."""
    await session.execute(update(user).where(user.c.id == user_id).values(disabled=disabled))


def _as_token(row: Row[int, str, str, str, datetime, datetime | None, datetime | None]) -> Token:
    number, username, name, scope, created, expires, last_used = row
    return Token(number, username, name, Scope(scope), created, expires, last_used)


async def insert_token(
    session: WriteSession,
    *,
    user_id: int,
    name: str,
    digest: str,
    scope: Scope,
    created: datetime,
    expires: datetime | None,
) -> int:
    """Add a token; gives its number."""
    values = {"user_id": user_id, "name": name, "digest": digest, "scope": scope, "created": created}
    result = await session.execute(insert(token).values({**values, "expires": expires}).returning(token.c.id))
    return result.scalar_one()


async def tokens(session: ReadSession, username: str | None) -> list[Token]:
    """List the tokens of one user, or of all."""
    statement = _token.order_by(user.c.username, token.c.id)
    if username is not None:
        statement = statement.where(user.c.username == username)
    return [_as_token(row) for row in await session.all(statement)]


async def delete_token(session: WriteSession, token_id: int) -> bool:
    """Delete a token; tells whether it was there."""
    result = await session.execute(delete(token).where(token.c.id == token_id))
    return result.rowcount > 0


async def delete_named_tokens(session: WriteSession, user_id: int, name: str) -> None:
    """Delete the tokens of a user that have this name."""
    await session.execute(delete(token).where(token.c.user_id == user_id, token.c.name == name))


async def trim_named_tokens(session: WriteSession, user_id: int, name: str, keep: int, now: datetime) -> None:
    """Of a user's tokens of this name, delete the expired, and all but the ``keep`` last used."""
    mine = (token.c.user_id == user_id, token.c.name == name)
    kept: Select[tuple[int]] = (
        select(token.c.id)
        .where(*mine)
        .order_by(
            case((token.c.last_used > token.c.created, token.c.last_used), else_=token.c.created).desc()
        )
        .order_by(token.c.id.desc())
        .limit(keep)
    )
    outdated = or_(token.c.expires <= now, token.c.id.not_in(kept))
    await session.execute(delete(token).where(*mine, outdated))


async def touch(session: WriteSession, token_ids: Iterable[int], hour: datetime) -> None:
    """Note that these tokens were used in the hour that began at ``hour``."""
    older = or_(token.c.last_used.is_(None), token.c.last_used < hour)
    await session.execute(
        update(token).where(token.c.id.in_(sorted(token_ids)), older).values(last_used=hour)
    )


async def insert_membership(session: WriteSession, user_id: int, project: str, created: datetime) -> None:
    """Make a user a member of a project; raises Duplicate where it was so."""
    values = {"user_id": user_id, "project": project, "created": created}
    await session.execute(insert(membership).values(values))


async def delete_membership(session: WriteSession, user_id: int, project: str) -> bool:
    """End a membership; tells whether it was there."""
    mine = (membership.c.user_id == user_id, membership.c.project == project)
    result = await session.execute(delete(membership).where(*mine))
    return result.rowcount > 0


async def members(session: ReadSession, project: str | None) -> list[Membership]:
    """List the members of one project, or of all."""
    statement = (
        select(membership.c.project, user.c.username, membership.c.created)
        .join(user, user.c.id == membership.c.user_id)
        .order_by(membership.c.project, user.c.username)
    )
    if project is not None:
        statement = statement.where(membership.c.project == project)
    return [Membership(*row) for row in await session.all(statement)]
