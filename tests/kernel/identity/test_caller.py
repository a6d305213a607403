"""What a caller may do, by role and by the scope of the token."""

import pytest

from entrepot.kernel.errors import Forbidden, Unauthenticated
from entrepot.kernel.identity import ANONYMOUS, Caller, Role, Scope

R, W, A = Scope.READ, Scope.WRITE, Scope.ADMIN


def caller(role: Role, scope: Scope) -> Caller:
    return Caller(1, "ada", role, scope, frozenset(), 1)


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("staff", [False, True])
def test_the_anonymous_are_asked_for_credentials(scope: Scope, staff: bool) -> None:
    with pytest.raises(Unauthenticated, match=r"^Authentication credentials were not provided\.$") as refused:
        ANONYMOUS.require(scope, staff=staff)
    assert refused.value.headers == {"WWW-Authenticate": "Token"}


@pytest.mark.parametrize(
    ("role", "scope", "allowed"),
    [
        (Role.USER, R, {(R, False)}),
        (Role.USER, W, {(R, False), (W, False)}),
        (Role.USER, A, {(R, False), (W, False)}),
        (Role.STAFF, R, {(R, False), (R, True)}),
        (Role.STAFF, W, {(R, False), (R, True), (W, False), (W, True)}),
        (Role.STAFF, A, {(R, False), (R, True), (W, False), (W, True)}),
        (Role.ADMIN, R, {(R, False), (R, True)}),
        (Role.ADMIN, W, {(R, False), (R, True), (W, False), (W, True)}),
        (Role.ADMIN, A, {(R, False), (R, True), (W, False), (W, True), (A, False), (A, True)}),
    ],
)
def test_role_and_scope_both_count(role: Role, scope: Scope, allowed: set[tuple[Scope, bool]]) -> None:
    for needed in Scope:
        for staff in (False, True):
            if (needed, staff) in allowed:
                caller(role, scope).require(needed, staff=staff)
                continue
            with pytest.raises(Forbidden, match=r"^You do not have permission to perform this action\.$"):
                caller(role, scope).require(needed, staff=staff)


def test_who_is_who() -> None:
    assert ANONYMOUS.is_anonymous
    assert not ANONYMOUS.is_staff
    assert [caller(role, R).is_staff for role in Role] == [False, True, True]
    assert [caller(role, R).is_admin for role in Role] == [False, False, True]
