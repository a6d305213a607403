"""Tokens: made, shown once, listed, revoked; who comes with one."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from entrepot.kernel.db import Database
from entrepot.kernel.errors import InvalidInput, NotFound, Unauthenticated
from entrepot.kernel.identity import (
    Caller,
    Role,
    Scope,
    add_member,
    add_token,
    add_user,
    list_tokens,
    revoke_token,
)
from entrepot.kernel.identity.tables import token
from tests.services.statements import noted


@pytest.fixture(autouse=True)
async def ada(database: Database) -> None:
    await add_user(database, "ada", Role.STAFF)


async def test_a_caller_is_the_user_with_scope_and_projects(database: Database, come) -> None:
    issued = await add_token(database, "ada", name="laptop", scope=Scope.WRITE)
    for project in ("P 2", "P1", "π,3"):
        await add_member(database, project, "ada")
    caller = await come(issued.secret)
    assert caller == Caller(
        caller.user_id, "ada", Role.STAFF, Scope.WRITE, frozenset({"P 2", "P1", "π,3"}), issued.token.id
    )
    assert caller.user_id is not None


async def test_a_caller_without_projects_belongs_to_none(database: Database, come) -> None:
    issued = await add_token(database, "ada", name="laptop", scope=Scope.READ)
    assert (await come(issued.secret)).projects == frozenset()


async def test_who_comes_is_told_by_one_statement(database: Database, come) -> None:
    issued = await add_token(database, "ada", name="laptop", scope=Scope.READ)
    for number in range(5):
        await add_member(database, f"P{number}", "ada")
    await come(issued.secret)  # the connection is open then, and the statement prepared
    with noted() as statements:
        await come(issued.secret)
    assert len(statements) == 1


async def test_secrets_are_forty_hexadecimal_digits_and_not_stored(database: Database) -> None:
    secrets = {(await add_token(database, "ada", name="laptop", scope=Scope.READ)).secret for _ in range(3)}
    assert len(secrets) == 3
    assert all(re.fullmatch("[0-9a-f]{40}", secret) for secret in secrets)
    async with database.read() as session:
        stored = str(await session.all(select(*token.c)))
    assert not any(secret in stored for secret in secrets)


@pytest.mark.parametrize("secret", ["", "0" * 40, "x", "\ud800", "é", "a" * 100_000, "' OR 1=1 --", "\x00"])
async def test_unknown_tokens_are_not_valid(come, secret: str) -> None:
    with pytest.raises(Unauthenticated, match=r"^Invalid token\.$") as refused:
        await come(secret)
    assert refused.value.headers == {"WWW-Authenticate": "Token"}


async def test_the_stored_digest_is_no_token(database: Database, come) -> None:
    await add_token(database, "ada", name="laptop", scope=Scope.READ)
    async with database.read() as session:
        digest = await session.scalar(select(token.c.digest))
    with pytest.raises(Unauthenticated):
        await come(digest)


async def test_an_expired_token_is_not_valid(database: Database, come) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    issued = await add_token(database, "ada", name="laptop", scope=Scope.READ, expires=soon)
    assert (await come(issued.secret)).username == "ada"
    past = datetime.now(UTC) - timedelta(milliseconds=1)
    await database.transact(lambda session: session.execute(update(token).values(expires=past)))
    with pytest.raises(Unauthenticated, match=r"^Invalid token\.$"):
        await come(issued.secret)


async def test_a_revoked_token_is_not_valid_and_its_number_never_comes_back(database: Database, come) -> None:
    issued = await add_token(database, "ada", name="laptop", scope=Scope.READ)
    await revoke_token(database, issued.token.id)
    with pytest.raises(Unauthenticated, match=r"^Invalid token\.$"):
        await come(issued.secret)
    with pytest.raises(NotFound, match=rf"^There is no token {issued.token.id}\.$"):
        await revoke_token(database, issued.token.id)
    again = await add_token(database, "ada", name="laptop", scope=Scope.READ)
    assert again.token.id > issued.token.id


@pytest.mark.parametrize("number", [0, -1, 10**6, 2**63, 2**200])
async def test_a_token_that_is_not_there_is_named(database: Database, number: int) -> None:
    with pytest.raises(NotFound, match=rf"^There is no token {number}\.$"):
        await revoke_token(database, number)


async def test_tokens_are_listed_for_one_user_or_all(database: Database) -> None:
    await add_user(database, "bob", Role.USER)
    expires = datetime.now(UTC) + timedelta(days=3)
    first = (await add_token(database, "ada", name="laptop", scope=Scope.READ, expires=expires)).token
    second = (await add_token(database, "bob", name="cron job", scope=Scope.ADMIN)).token
    assert await list_tokens(database, "ada") == [first]
    assert await list_tokens(database) == [first, second]
    assert (first.expires, second.expires, first.last_used) == (expires, None, None)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "A token's name has 1 to 100 characters"),
        ("a\nb", "A token's name has 1 to 100 characters"),
        ("x" * 101, "A token's name has 1 to 100 characters"),
        ("sign-in", "“sign-in” is what signing in calls its tokens"),
    ],
)
async def test_bad_names_are_refused(database: Database, name: str, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{sentence}"):
        await add_token(database, "ada", name=name, scope=Scope.READ)
    assert await list_tokens(database) == []


async def test_a_token_expires_in_the_future(database: Database) -> None:
    with pytest.raises(InvalidInput, match=r"^A token expires in the future\.$"):
        await add_token(database, "ada", name="late", scope=Scope.READ, expires=datetime.now(UTC))


@pytest.mark.parametrize("username", ["nobody", "Ada"])
async def test_tokens_are_for_users_by_their_exact_name(database: Database, username: str) -> None:
    with pytest.raises(NotFound, match=rf"^There is no user {username}\.$"):
        await add_token(database, username, name="laptop", scope=Scope.READ)
    with pytest.raises(NotFound, match=rf"^There is no user {username}\.$"):
        await list_tokens(database, username)
