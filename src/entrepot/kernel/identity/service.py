"""The rules about people: accounts, tokens, signing in, membership."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

from entrepot.kernel.db import Database, Duplicate, ReadSession, WriteSession
from entrepot.kernel.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from entrepot.kernel.identity import store
from entrepot.kernel.identity.credentials import Credentials
from entrepot.kernel.identity.models import (
    CHALLENGE,
    Account,
    Caller,
    IssuedToken,
    Membership,
    Role,
    Scope,
    Token,
    User,
)
from entrepot.kernel.identity.names import (
    LONGEST_USERNAME,
    fold,
    is_fit,
    project_key,
    token_name,
    username_of,
)
from entrepot.kernel.identity.passwords import check_password, hash_password, verify_password

__all__ = [
    "SignInRefused",
    "add_member",
    "add_token",
    "add_user",
    "authenticate",
    "disable_user",
    "enable_user",
    "list_members",
    "list_tokens",
    "list_users",
    "remove_member",
    "revoke_own",
    "revoke_token",
    "set_password",
    "set_role",
    "sign_in",
]

SIGN_IN = "sign-in"
"""The name of the tokens that signing in makes."""
SIGN_IN_LIFE = timedelta(days=90)
SIGN_INS_KEPT = 20
"""Sign-in tokens of one user that work at the same time."""


class SignInRefused(InvalidInput):
    """Name and password don't belong together; which of them is wrong isn't told."""

    code = "sign_in_refused"

    def __init__(self) -> None:
        sentence = "Unable to log in with provided credentials."
        super().__init__(sentence, fields={"non_field_errors": [sentence]})


async def authenticate(session: ReadSession, credentials: Credentials) -> Caller:
    """Tell whose token this is, by one statement; nothing is remembered between requests.

    Raises Unauthenticated for tokens that are unknown, revoked, expired or of a disabled user.
    """
    caller = await store.caller_of(session, _digest(credentials.secret), datetime.now(UTC))
    if caller is None:
        raise Unauthenticated("Invalid token.", headers=CHALLENGE)
    return caller


async def add_user(database: Database, username: str, role: Role, password: str | None = None) -> User:
    """Make an account; without a password its owner comes by token only.

    Raises Conflict where the name is taken, also where it differs by case alone.
    """
    name = username_of(username)
    if password is not None:
        check_password(password)
    hashed = await hash_password(password) if password is not None else ""

    async def work(session: WriteSession) -> User:
        return await store.insert_user(
            session, username=name, folded=fold(name), password=hashed, role=role, created=datetime.now(UTC)
        )

    try:
        return await database.transact(work)
    except Duplicate as error:
        raise await _taken(database, name) from error


async def _taken(database: Database, name: str) -> Conflict:
    async with database.read_newest() as session:
        other = await store.user_by_folded(session, fold(name))
    if other is None or other.username == name:
        return Conflict(f"There is a user {name} already.", where="username")
    return Conflict(
        f"There is a user {other.username} already, and names must differ by more than case.",
        where="username",
    )


async def list_users(database: Database) -> list[User]:
    """List all accounts by name."""
    async with database.read() as session:
        return await store.users(session)


async def set_password(database: Database, username: str, password: str) -> None:
    """Give a user another password; the tokens of earlier sign-ins stop working."""
    check_password(password)
    hashed = await hash_password(password)

    async def work(session: WriteSession) -> None:
        user = await _user(session, username)
        await store.set_password(session, user.id, hashed)
        await store.delete_named_tokens(session, user.id, SIGN_IN)

    await database.transact(work)


async def set_role(database: Database, username: str, role: Role) -> None:
    """Give a user another role; it counts from the next request on."""

    async def work(session: WriteSession) -> None:
        await store.set_role(session, (await _user(session, username)).id, role)

    await database.transact(work)


async def disable_user(database: Database, username: str) -> None:
    """Close an account: its tokens and its password stop working at once."""
    await _set_disabled(database, username, datetime.now(UTC))


async def enable_user(database: Database, username: str) -> None:
    """Open a closed account again, with the tokens and the password that it had."""
    await _set_disabled(database, username, None)


async def _set_disabled(database: Database, username: str, moment: datetime | None) -> None:
    async def work(session: WriteSession) -> None:
        user = await _user(session, username)
        if (user.disabled is None) != (moment is None):
            await store.set_disabled(session, user.id, moment)

    await database.transact(work)


async def _user(session: ReadSession, username: str) -> User:
    user = await store.user_by_name(session, username_of(username))
    if user is None:
        raise NotFound(f"There is no user {username}.", where="username")
    return user


async def add_token(
    database: Database, username: str, *, name: str, scope: Scope, expires: datetime | None = None
) -> IssuedToken:
    """Make a token for a user; its secret is shown this once. Raises NotFound and InvalidInput."""
    if token_name(name) == SIGN_IN:
        raise InvalidInput(
            f"“{SIGN_IN}” is what signing in calls its tokens; choose another name.", where="name"
        )
    created = datetime.now(UTC)
    if expires is not None and expires <= created:
        raise InvalidInput("A token expires in the future.", where="expires")

    async def work(session: WriteSession) -> IssuedToken:
        user = await _user(session, username)
        if user.disabled is not None:
            raise Conflict(f"The account of {user.username} is disabled; enable it first.", where="username")
        secret = _secret()
        number = await store.insert_token(
            session,
            user_id=user.id,
            name=name,
            digest=_digest(secret),
            scope=scope,
            created=created,
            expires=expires,
        )
        return IssuedToken(Token(number, user.username, name, scope, created, expires, None), secret)

    return await database.transact(work)


async def list_tokens(database: Database, username: str | None = None) -> list[Token]:
    """List the tokens of a user, or of all users; raises NotFound for an unknown user."""
    async with database.read() as session:
        if username is not None:
            username = (await _user(session, username)).username
        return await store.tokens(session, username)


async def revoke_token(database: Database, token_id: int) -> None:
    """Make a token stop working; raises NotFound."""

    async def work(session: WriteSession) -> bool:
        return await store.delete_token(session, token_id)

    if not 0 < token_id < 2**63 or not await database.transact(work):
        raise NotFound(f"There is no token {token_id}.", where="token")


async def revoke_own(database: Database, caller: Caller) -> None:
    """Make the caller's token stop working, and all that the caller's sign-ins have made."""
    caller.require(Scope.READ)
    user_id, token_id = caller.user_id, caller.token_id

    async def work(session: WriteSession) -> None:
        if token_id is not None:
            await store.delete_token(session, token_id)
        if user_id is not None:
            await store.delete_named_tokens(session, user_id, SIGN_IN)

    await database.transact(work)


async def sign_in(database: Database, username: str, password: str) -> str:
    """Give a token for name and password: scope ``write``, for 90 days, the newest 20 of a user stay.

    The work is the same whether or not there is such a user. Raises SignInRefused.
    """
    name = username_of(username) if is_fit(username, LONGEST_USERNAME) else None
    account = await _account(database, name) if name is not None else None
    right, better = await verify_password(password, account.password if account else None)
    if account is None or name is None or not right or account.disabled:
        raise SignInRefused
    verified, secret = account, _secret()

    async def work(session: WriteSession) -> None:
        # The account may have changed while the password was being checked.
        if await store.account(session, name, lock=True) != verified:
            raise SignInRefused
        if better is not None:
            await store.set_password(session, verified.user_id, better)
        await _add_sign_in(session, verified.user_id, secret)

    await database.transact(work)
    return secret


async def _account(database: Database, username: str) -> Account | None:
    async with database.read_newest() as session:
        return await store.account(session, username)


async def _add_sign_in(session: WriteSession, user_id: int, secret: str) -> None:
    now = datetime.now(UTC)
    await store.insert_token(
        session,
        user_id=user_id,
        name=SIGN_IN,
        digest=_digest(secret),
        scope=Scope.WRITE,
        created=now,
        expires=now + SIGN_IN_LIFE,
    )
    await store.trim_named_tokens(session, user_id, SIGN_IN, SIGN_INS_KEPT, now)


async def add_member(database: Database, project: str, username: str) -> bool:
    """Make a user a member of a project; tells whether that is new. Raises NotFound and InvalidInput."""
    key = project_key(project)

    async def work(session: WriteSession) -> None:
        user = await _user(session, username)
        await store.insert_membership(session, user.id, key, datetime.now(UTC))

    try:
        await database.transact(work)
    except Duplicate:
        return False
    return True


async def remove_member(database: Database, project: str, username: str) -> None:
    """End a membership; raises NotFound where there was none."""
    key = project_key(project)

    async def work(session: WriteSession) -> bool:
        return await store.delete_membership(session, (await _user(session, username)).id, key)

    if not await database.transact(work):
        raise NotFound(f"{username} is no member of {key}.", where="username")


async def list_members(database: Database, project: str | None = None) -> list[Membership]:
    """List the members of a project, or of all projects."""
    key = None if project is None else project_key(project)
    async with database.read() as session:
        return await store.members(session, key)


def _secret() -> str:
    return secrets.token_hex(20)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
