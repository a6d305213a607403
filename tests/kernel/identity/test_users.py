"""Accounts: names, passwords, roles, closing and opening."""

import pytest

from entrepot.kernel.db import Database
from entrepot.kernel.errors import Conflict, InvalidInput, NotFound
from entrepot.kernel.identity import (
    Role,
    Scope,
    SignInRefused,
    add_token,
    add_user,
    disable_user,
    enable_user,
    list_users,
    set_password,
    set_role,
    sign_in,
)


async def test_accounts_are_listed_by_name_with_role(database: Database) -> None:
    await add_user(database, "zoë", Role.USER)
    await add_user(database, "Ada Lovelace", Role.ADMIN, "correct horse")
    listed = await list_users(database)
    assert [(user.username, user.role, user.has_password) for user in listed] == [
        ("Ada Lovelace", Role.ADMIN, True),
        ("zoë", Role.USER, False),
    ]
    assert all(user.disabled is None for user in listed)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        " ada",
        "ada ",
        "a\tb",
        "a\nb",
        "a\x00b",
        "a\u200bb",
        "a\u202eb",
        "\ud800",
        "a\u2028b",
        "x" * 151,
    ],
)
async def test_bad_names_are_refused(database: Database, name: str) -> None:
    with pytest.raises(InvalidInput, match=r"^A username has 1 to 150 characters, [^.]*\.$"):
        await add_user(database, name, Role.USER)
    assert await list_users(database) == []


async def test_a_name_of_150_characters_is_taken(database: Database) -> None:
    assert (await add_user(database, "x" * 150, Role.USER)).username == "x" * 150


async def test_one_name_is_one_user(database: Database) -> None:
    await add_user(database, "ada", Role.USER)
    with pytest.raises(Conflict, match=r"^There is a user ada already\.$"):
        await add_user(database, "ada", Role.STAFF)


@pytest.mark.parametrize(("first", "second"), [("Ada", "ada"), ("STRASSE", "straße"), ("ﬁona", "FIONA")])
async def test_names_differ_by_more_than_case(database: Database, first: str, second: str) -> None:
    await add_user(database, first, Role.USER)
    with pytest.raises(Conflict, match=f"^There is a user {first} already, and names must differ"):
        await add_user(database, second, Role.USER)


async def test_a_name_is_found_however_its_accents_are_typed(database: Database) -> None:
    await add_user(database, "zoe\u0308", Role.USER)
    await set_role(database, "zo\u00eb", Role.STAFF)
    assert [(user.username, user.role) for user in await list_users(database)] == [("zo\u00eb", Role.STAFF)]


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("", "A password has at least 8 characters."),
        ("1234567", "A password has at least 8 characters."),
        ("x" * 1025, "A password has at most 1,024 characters."),
        ("\ud800" * 9, "The password has characters that are not Unicode text."),
    ],
)
async def test_bad_passwords_are_refused(database: Database, password: str, sentence: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await add_user(database, "ada", Role.USER, password)
    assert refused.value.detail == sentence
    assert await list_users(database) == []


async def test_a_new_password_ends_earlier_sign_ins_only(database: Database, come) -> None:
    await add_user(database, "ada", Role.USER, "first password")
    signed = await sign_in(database, "ada", "first password")
    named = (await add_token(database, "ada", name="laptop", scope=Scope.READ)).secret
    await set_password(database, "ada", "second password")
    assert (await come(named)).username == "ada"
    with pytest.raises(Exception, match=r"^Invalid token\.$"):
        await come(signed)
    with pytest.raises(SignInRefused):
        await sign_in(database, "ada", "first password")
    assert await sign_in(database, "ada", "second password")


async def test_a_role_counts_at_once(database: Database, come) -> None:
    await add_user(database, "ada", Role.USER)
    secret = (await add_token(database, "ada", name="laptop", scope=Scope.READ)).secret
    assert not (await come(secret)).is_staff
    await set_role(database, "ada", Role.STAFF)
    assert (await come(secret)).is_staff


async def test_a_closed_account_is_shut_at_once_and_opens_as_it_was(database: Database, come) -> None:
    await add_user(database, "ada", Role.ADMIN, "correct horse")
    secret = (await add_token(database, "ada", name="laptop", scope=Scope.ADMIN)).secret
    await disable_user(database, "ada")
    closed = (await list_users(database))[0].disabled
    await disable_user(database, "ada")
    assert (await list_users(database))[0].disabled == closed
    with pytest.raises(Exception, match=r"^Invalid token\.$"):
        await come(secret)
    with pytest.raises(SignInRefused):
        await sign_in(database, "ada", "correct horse")
    with pytest.raises(Conflict, match=r"^The account of ada is disabled; enable it first\.$"):
        await add_token(database, "ada", name="other", scope=Scope.READ)
    await enable_user(database, "ada")
    assert (await come(secret)).is_admin


@pytest.mark.parametrize("change", [disable_user, enable_user])
async def test_an_unknown_user_is_named(database: Database, change) -> None:
    with pytest.raises(NotFound, match=r"^There is no user nobody\.$"):
        await change(database, "nobody")
