"""Signing in by password, and revoking what it made."""

import asyncio
import statistics
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import event, insert, select, update

from entrepot.kernel.db import Database
from entrepot.kernel.errors import Unauthenticated
from entrepot.kernel.identity import (
    ANONYMOUS,
    Role,
    Scope,
    SignInRefused,
    add_token,
    add_user,
    list_tokens,
    revoke_own,
    sign_in,
)
from entrepot.kernel.identity.tables import token, user

PASSWORD = "correct horse"
CHEAP = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
SLOW = PasswordHash((Argon2Hasher(time_cost=10, parallelism=1),))


@pytest.fixture(autouse=True)
async def ada(database: Database) -> None:
    await add_user(database, "ada", Role.USER, PASSWORD)


async def test_name_and_password_give_a_token_to_write_for_ninety_days(database: Database, come) -> None:
    secret = await sign_in(database, "ada", PASSWORD)
    assert (await come(secret)).scope is Scope.WRITE
    (made,) = await list_tokens(database, "ada")
    assert made.name == "sign-in"
    assert made.expires == made.created + timedelta(days=90)


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("ada", "correct horse "),
        ("ada", ""),
        ("Ada", PASSWORD),
        ("nobody", PASSWORD),
        ("", ""),
        ("ada\x00", PASSWORD),
        ("\ud800", PASSWORD),
        ("ada", "\ud800"),
        ("ada", "x" * 100_000),
        ("x" * 100_000, PASSWORD),
    ],
)
async def test_a_wrong_pair_is_refused_without_telling_what_is_wrong(
    database: Database, username: str, password: str
) -> None:
    with pytest.raises(SignInRefused) as refused:
        await sign_in(database, username, password)
    assert refused.value.fields == {"non_field_errors": ["Unable to log in with provided credentials."]}
    assert await list_tokens(database) == []


async def test_a_user_without_password_comes_by_token_only(database: Database) -> None:
    await add_user(database, "robot", Role.STAFF)
    with pytest.raises(SignInRefused):
        await sign_in(database, "robot", "")


async def test_an_unknown_user_takes_as_long_as_a_wrong_password(database: Database) -> None:
    async def seconds(username: str) -> float:
        begun = time.perf_counter()
        with pytest.raises(SignInRefused):
            await sign_in(database, username, "wrong password")
        return time.perf_counter() - begun

    known, unknown = [], []
    for _ in range(5):
        known.append(await seconds("ada"))
        unknown.append(await seconds("nobody"))
    assert 0.2 < statistics.median(known) / statistics.median(unknown) < 5


async def test_the_event_loop_stays_free(database: Database) -> None:
    gaps: list[float] = []

    async def beat() -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0)
            gaps.append(time.perf_counter() - begun)

    beating = asyncio.create_task(beat())
    await sign_in(database, "ada", PASSWORD)
    beating.cancel()
    assert len(gaps) > 100


async def test_a_hash_with_outdated_cost_is_replaced(database: Database) -> None:
    async def stored() -> str | None:
        async with database.read() as session:
            return await session.scalar(select(user.c.password))

    old = CHEAP.hash(PASSWORD)
    await database.transact(lambda session: session.execute(update(user).values(password=old)))
    await sign_in(database, "ada", PASSWORD)
    better = await stored()
    assert better != old
    await sign_in(database, "ada", PASSWORD)
    assert await stored() == better


@pytest.mark.parametrize("change", [{"password": CHEAP.hash("another")}, {"disabled": datetime.now(UTC)}])
async def test_an_account_that_changes_meanwhile_lets_nobody_in(
    database: Database, change: dict[str, object]
) -> None:
    slow = SLOW.hash(PASSWORD)
    await database.transact(lambda session: session.execute(update(user).values(password=slow)))
    read = asyncio.Event()
    event.listen(database.reader.sync_engine, "after_cursor_execute", lambda *_: read.set())
    signing = asyncio.create_task(sign_in(database, "ada", PASSWORD))
    await read.wait()
    await database.transact(lambda session: session.execute(update(user).values(**change)))
    assert not signing.done()
    with pytest.raises(SignInRefused):
        await signing
    assert await list_tokens(database) == []


async def test_the_twenty_used_last_stay(database: Database, come) -> None:
    first = await sign_in(database, "ada", PASSWORD)
    (made,) = await list_tokens(database)
    async with database.read() as session:
        owner = await session.scalar(select(token.c.user_id))
    like = {"user_id": owner, "name": "sign-in", "scope": "write", "created": made.created}
    later = [{**like, "digest": sha256(f"later {number}".encode()).hexdigest()} for number in range(19)]
    await database.transact(lambda session: session.execute(insert(token), later))
    used = update(token).where(token.c.id == made.id).values(last_used=datetime.now(UTC))
    await database.transact(lambda session: session.execute(used))

    last = await sign_in(database, "ada", PASSWORD)
    assert len(await list_tokens(database)) == 20
    for secret in (first, "later 1", "later 18", last):
        assert (await come(secret)).username == "ada"
    with pytest.raises(Unauthenticated):
        await come("later 0")


async def test_other_tokens_are_not_counted(database: Database) -> None:
    for number in range(21):
        await add_token(database, "ada", name=f"laptop {number}", scope=Scope.READ)
    await sign_in(database, "ada", PASSWORD)
    assert len(await list_tokens(database)) == 22


async def test_revoking_ends_the_token_shown_and_all_sign_ins(database: Database, come) -> None:
    shown = (await add_token(database, "ada", name="laptop", scope=Scope.READ)).secret
    other = (await add_token(database, "ada", name="cron job", scope=Scope.READ)).secret
    signed = [await sign_in(database, "ada", PASSWORD) for _ in range(2)]
    await add_user(database, "bob", Role.USER, PASSWORD)
    foreign = await sign_in(database, "bob", PASSWORD)
    await revoke_own(database, await come(shown))
    for gone in (shown, *signed):
        with pytest.raises(Unauthenticated):
            await come(gone)
    assert (await come(other)).username == "ada"
    assert (await come(foreign)).username == "bob"


async def test_the_anonymous_have_nothing_to_revoke(database: Database) -> None:
    with pytest.raises(Unauthenticated, match=r"^Authentication credentials were not provided\.$"):
        await revoke_own(database, ANONYMOUS)
