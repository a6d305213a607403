"""Who belongs to which project."""

import pytest

from entrepot.kernel.db import Database
from entrepot.kernel.errors import InvalidInput, NotFound
from entrepot.kernel.identity import (
    Role,
    Scope,
    add_member,
    add_token,
    add_user,
    list_members,
    remove_member,
)


@pytest.fixture(autouse=True)
async def people(database: Database) -> None:
    await add_user(database, "ada", Role.USER)
    await add_user(database, "bob", Role.USER)


async def pairs(database: Database, project: str | None = None) -> list[tuple[str, str]]:
    return [(found.project, found.username) for found in await list_members(database, project)]


async def test_members_are_listed_by_project_and_name(database: Database) -> None:
    for project, username in [("P2", "ada"), ("P1", "bob"), ("P1", "ada")]:
        assert await add_member(database, project, username)
    assert await pairs(database) == [("P1", "ada"), ("P1", "bob"), ("P2", "ada")]
    assert await pairs(database, "P1") == [("P1", "ada"), ("P1", "bob")]
    assert await pairs(database, "p1") == []


async def test_joining_twice_changes_nothing(database: Database) -> None:
    assert await add_member(database, "P1", "ada")
    assert not await add_member(database, "P1", "ada")
    assert await pairs(database) == [("P1", "ada")]


async def test_leaving_counts_at_once(database: Database, come) -> None:
    secret = (await add_token(database, "ada", name="laptop", scope=Scope.READ)).secret
    await add_member(database, "P1", "ada")
    assert (await come(secret)).projects == {"P1"}
    await remove_member(database, "P1", "ada")
    assert (await come(secret)).projects == frozenset()


async def test_leaving_what_one_is_not_in_is_said(database: Database) -> None:
    await add_member(database, "P1", "bob")
    with pytest.raises(NotFound, match=r"^ada is no member of P1\.$"):
        await remove_member(database, "P1", "ada")
    assert await pairs(database) == [("P1", "bob")]


@pytest.mark.parametrize("project", ["", " P1", "P1\n", "a\nb", "a\x00b", "\ud800", "x" * 201])
async def test_bad_keys_are_refused(database: Database, project: str) -> None:
    for act in (add_member, remove_member):
        with pytest.raises(InvalidInput, match=r"^A project's key has 1 to 200 characters, [^.]*\.$"):
            await act(database, project, "ada")
    with pytest.raises(InvalidInput):
        await list_members(database, project)
    assert await pairs(database) == []


async def test_only_users_are_members(database: Database) -> None:
    with pytest.raises(NotFound, match=r"^There is no user carl\.$"):
        await add_member(database, "P1", "carl")
