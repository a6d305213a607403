"""People, tokens, memberships, and who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from entrepot.kernel.errors import Forbidden, Unauthenticated

__all__ = [
    "ANONYMOUS",
    "CHALLENGE",
    "Account",
    "Caller",
    "IssuedToken",
    "Membership",
    "Role",
    "Scope",
    "Token",
    "User",
]

NOT_GIVEN = "Authentication credentials were not provided."
NOT_ALLOWED = "You do not have permission to perform this action."
CHALLENGE = {"WWW-Authenticate": "Token"}
"""Goes with every 401; never Basic, at which browsers would ask for a password."""


class Role(StrEnum):
    """What a person is here for; the anonymous have none."""

    USER = "user"
    STAFF = "staff"
    ADMIN = "admin"


class Scope(StrEnum):
    """What a token may be used for, each including the one before; it never widens its owner's role."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def covers(self, needed: Scope) -> bool:
        """Tell whether this scope is enough where ``needed`` is."""
        return needed in _COVERED[self]


_COVERED = {
    Scope.READ: {Scope.READ},
    Scope.WRITE: {Scope.READ, Scope.WRITE},
    Scope.ADMIN: {Scope.READ, Scope.WRITE, Scope.ADMIN},
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking, and by which token: all that rules need in order to decide."""

    user_id: int | None
    username: str
    role: Role | None
    scope: Scope
    projects: frozenset[str]
    token_id: int | None

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody signed in."""
        return self.user_id is None

    @property
    def is_staff(self) -> bool:
        """Whether the caller operates the facility: staff or admin."""
        return self.role is Role.STAFF or self.role is Role.ADMIN

    @property
    def is_admin(self) -> bool:
        """Whether the caller looks after people and settings."""
        return self.role is Role.ADMIN

    def require(self, scope: Scope, *, staff: bool = False) -> None:
        """Insist on a person whose token has ``scope``, and with ``staff`` on staff.

        The scope ``admin`` also needs the role. Raises Unauthenticated for the anonymous, else Forbidden.
        """
        if self.is_anonymous:
            raise Unauthenticated(NOT_GIVEN, headers=CHALLENGE)
        allowed = self.scope.covers(scope) and (self.is_staff or not staff)
        if not allowed or (scope is Scope.ADMIN and not self.is_admin):
            raise Forbidden(NOT_ALLOWED)


ANONYMOUS = Caller(None, "", None, Scope.READ, frozenset(), None)
"""The caller who gave no credentials."""


@dataclass(frozen=True, slots=True)
class User:
    """A person with an account; ``disabled`` is when the account was closed."""

    id: int
    username: str
    role: Role
    created: datetime
    disabled: datetime | None
    has_password: bool


@dataclass(frozen=True, slots=True)
class Account:
    """What signing in needs to know of a user; never leaves the kernel."""

    user_id: int
    password: str
    """The hash, or empty: no sign-in by password."""
    disabled: bool


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its secret; ``last_used`` is right to the hour."""

    id: int
    username: str
    name: str
    scope: Scope
    created: datetime
    expires: datetime | None
    last_used: datetime | None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token and its secret (40 hexadecimal digits), which is shown this once."""

    token: Token
    secret: str


@dataclass(frozen=True, slots=True)
class Membership:
    """A person belongs to a project."""

    project: str
    username: str
    created: datetime
