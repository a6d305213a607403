"""The people of the demo and their tokens, which stay the same from one run to the next."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from entrepot.demo.exposures import MEMBERS_PROPOSAL
from entrepot.kernel.db import Database, prepare
from entrepot.kernel.errors import Conflict, Unauthenticated
from entrepot.kernel.identity import (
    Credentials,
    Role,
    Scope,
    add_member,
    add_token,
    add_user,
    authenticate,
    list_tokens,
    revoke_token,
    set_password,
)

__all__ = ["Access", "settle_people"]

ROLES = {"operator": Role.STAFF, "ada": Role.USER, "guest": Role.USER}
MEMBER = "ada"
TOKEN = "demo"  # noqa: S105 - the name of the tokens


class Access(BaseModel):
    """How a person of the demo signs in."""

    token: str
    password: str


KEPT = TypeAdapter(dict[str, Access])


async def settle_people(catalogue_url: str, file: Path) -> Mapping[str, Access]:
    """Make the three people where they are missing, and tell how each signs in.

    What ``file`` says stays as long as its tokens work; else new ones are made, and the old are revoked.
    """
    database = Database(catalogue_url, pool=2)
    try:
        await prepare(database)
        kept = _read(file)
        for name, role in ROLES.items():
            if name not in kept or not await _works(database, kept[name].token):
                kept[name] = await _settle(database, name, role)
                _write(file, kept)
        await add_member(database, MEMBERS_PROPOSAL, MEMBER)
    finally:
        await database.close()
    return kept


async def _works(database: Database, token: str) -> bool:
    try:
        async with database.read() as session:
            await authenticate(session, Credentials(token, "token"))
    except Unauthenticated:
        return False
    return True


async def _settle(database: Database, name: str, role: Role) -> Access:
    password = secrets.token_urlsafe(9)
    try:
        await add_user(database, name, role, password)
    except Conflict:
        await set_password(database, name, password)
    for token in await list_tokens(database, name):
        if token.name == TOKEN:
            await revoke_token(database, token.id)
    issued = await add_token(database, name, name=TOKEN, scope=Scope.WRITE)
    return Access(token=issued.secret, password=password)


def _read(file: Path) -> dict[str, Access]:
    try:
        return KEPT.validate_json(file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return {}


def _write(file: Path, people: Mapping[str, Access]) -> None:
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_bytes(KEPT.dump_json(dict(people), indent=2))
    part.replace(file)
