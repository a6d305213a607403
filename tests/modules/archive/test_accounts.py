"""Signing in, tokens and who one is, as existing clients know it (contract §2.13, §3.1)."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest

from entrepot.kernel.identity import Role, disable_user
from tests.modules.archive.door import FRAMES, NOBODY, VERSIONS, Door
from tests.modules.archive.frames import posted

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUTH = "/archive/api-token-auth/"
PROFILE = "/archive/profile/"
REVOKE = "/archive/revoke_token/"
JSON = {"Content-Type": "application/json"}
PASSWORD = "correct horse battery"
REFUSED = {"non_field_errors": ["Unable to log in with provided credentials."]}


async def someone(door: Door, username: str, role: Role = Role.USER, **more: Any) -> str:
    """Make an account with a password; gives its name."""
    await door.house.account(username, role, password=PASSWORD, **more)
    return username


def bearing(token: str, scheme: str = "Token") -> dict[str, str]:
    return {"Authorization": f"{scheme} {token}"}


async def test_signing_in_by_json_form_and_multipart(door: Door, name: str) -> None:
    body = {"username": await someone(door, name), "password": PASSWORD}
    answers = [
        await door.client.post(AUTH, json=body),
        await door.client.post(AUTH, data=body),
        await door.client.post(AUTH, files={key: (None, value) for key, value in body.items()}),
    ]
    tokens = set[str]()
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert list(answer.json()) == ["token"]
        token = answer.json()["token"]
        assert len(token) == 40
        assert set(token) <= set("0123456789abcdef")
        assert (await door.get(PROFILE, bearing(token))).json()["username"] == name
        assert answer.headers["cache-control"] == "private, no-store"
        tokens.add(token)
    assert len(tokens) == 3


WRONG: list[tuple[str, str]] = [
    ("{}", "wrong"), ("{}", f" {PASSWORD}"), ("{}", "x" * 5000), ("nobody", PASSWORD), ("{}", "\x00"),
    ("\x00", PASSWORD), ("{}", "\ud800"), ("\ud800", PASSWORD), ("x" * 5000, PASSWORD),
]  # fmt: skip


async def test_a_wrong_name_or_password_is_refused_alike(door: Door, name: str) -> None:
    await someone(door, name)
    for username, password in WRONG:
        content = json.dumps({"username": username.replace("{}", name), "password": password})
        answer = await door.client.post(AUTH, content=content, headers=JSON)
        assert (answer.status_code, answer.json()) == (400, REFUSED), (username, password)
        assert "www-authenticate" not in answer.headers


async def test_a_disabled_account_and_one_without_password_do_not_sign_in(door: Door, name: str) -> None:
    await someone(door, name)
    await disable_user(door.house.context.database, name)
    await door.house.account(f"{name}-2")
    for username in (name, f"{name}-2"):
        for password in (PASSWORD, "x"):
            answer = await door.client.post(AUTH, json={"username": username, "password": password})
            assert (answer.status_code, answer.json()) == (400, REFUSED)


REQUIRED, BLANK, NO_TEXT = "This field is required.", "This field may not be blank.", "Not a valid string."
MALFORMED: list[tuple[Any, dict[str, list[str]]]] = [
    ({}, {"username": [REQUIRED], "password": [REQUIRED]}),
    ([], {"username": [REQUIRED], "password": [REQUIRED]}),
    (None, {"username": [REQUIRED], "password": [REQUIRED]}),
    ("x", {"username": [REQUIRED], "password": [REQUIRED]}),
    ({"username": "x"}, {"password": [REQUIRED]}),
    ({"password": "x"}, {"username": [REQUIRED]}),
    ({"username": "x", "password": ""}, {"password": [BLANK]}),
    ({"username": "", "password": ""}, {"username": [BLANK], "password": [BLANK]}),
    ({"username": 5, "password": ["x"]}, {"username": [NO_TEXT], "password": [NO_TEXT]}),
    ({"username": {}, "password": True}, {"username": [NO_TEXT], "password": [NO_TEXT]}),
]


@pytest.mark.parametrize(("body", "said"), MALFORMED)
async def test_what_is_missing_is_named(door: Door, body: Any, said: dict[str, list[str]]) -> None:
    answer = await door.client.post(AUTH, json=body)
    assert (answer.status_code, answer.json()) == (400, said)


async def test_other_bodies_and_methods(door: Door) -> None:
    broken = await door.client.post(AUTH, content=b"{", headers=JSON)
    assert broken.status_code == 400
    assert broken.json()["detail"].startswith("JSON parse error - ")
    text = await door.client.post(AUTH, content=b"x", headers={"Content-Type": "text/plain"})
    assert (text.status_code, text.json()) == (
        415,
        {"detail": 'Unsupported media type "text/plain" in request.'},
    )
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE"):
        answer = await door.client.request(method, AUTH)
        assert answer.status_code == 405, method
        assert "POST" in answer.headers["allow"]
        assert method == "HEAD" or list(answer.json()) == ["detail"]


KIBIBYTE = 2**10
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("headers", "begin"), [(JSON, b'{"username":"x","password":"x"}'), (FORM, b"username=")]
)
async def test_signing_in_takes_16_kib(door: Door, headers: dict[str, str], begin: bytes) -> None:
    taken = 0

    async def pieces(count: int) -> AsyncIterator[bytes]:
        nonlocal taken
        yield begin.ljust(KIBIBYTE)
        for number in range(1, count):
            taken = number
            yield b" " * KIBIBYTE

    assert (await door.client.post(AUTH, content=pieces(16), headers=headers)).status_code == 400
    whole = begin.ljust(16 * KIBIBYTE + 1)
    for content in (whole, pieces(1000)):
        answer = await door.client.post(AUTH, content=content, headers=headers)
        assert (answer.status_code, list(answer.json())) == (413, ["detail"])
        assert "16,384 bytes" in answer.json()["detail"]
    assert taken < 20  # the rest was never read


async def test_who_comes_with_a_token_gets_that_one(door: Door, name: str) -> None:
    await door.house.account(name)
    token = door.house.tokens[name]
    for scheme in ("Token", "token", "TOKEN", "Bearer"):
        for answer in [
            await door.client.post(AUTH, json={"username": "x"}, headers=bearing(token, scheme)),
            await door.client.post(AUTH, content=b"nonsense", headers=bearing(token, scheme)),
            await door.client.get(AUTH, headers=bearing(token, scheme)),
        ]:
            assert (answer.status_code, answer.json()) == (200, {"token": token})
            assert answer.headers["cache-control"] == "private, no-store"
    bad = await door.client.post(
        AUTH, json={"username": name, "password": PASSWORD}, headers=bearing("0" * 40)
    )
    assert (bad.status_code, bad.json()) == (401, {"detail": "Invalid token."})


async def test_a_token_from_signing_in_may_do_what_its_owner_may(door: Door, name: str) -> None:
    await someone(door, name, Role.STAFF)
    answer = await door.client.post(AUTH, json={"username": name, "password": PASSWORD})
    who = bearing(answer.json()["token"])
    assert (await door.post(FRAMES, posted(name), who)).status_code == 201
    assert (await door.get(VERSIONS, who)).status_code == 200


async def test_revoking_ends_the_token_and_those_of_earlier_sign_ins(door: Door, name: str) -> None:
    given = await door.house.account(name, password=PASSWORD)
    body = {"username": name, "password": PASSWORD}
    first, second = [(await door.client.post(AUTH, json=body)).json()["token"] for _ in range(2)]
    assert (await door.client.post(REVOKE)).status_code == 401
    answer = await door.client.post(REVOKE, headers=bearing(first))
    assert (answer.status_code, answer.json()) == (200, {"message": "API token revoked."})
    for token in (first, second):
        refused = await door.get(PROFILE, bearing(token))
        assert (refused.status_code, refused.json()) == (401, {"detail": "Invalid token."})
    assert (await door.get(PROFILE, given)).status_code == 200
    assert (await door.client.post(REVOKE, headers=given)).status_code == 200
    assert (await door.get(PROFILE, given)).status_code == 401
    assert (await door.client.post(AUTH, json=body)).status_code == 200
    assert (await door.client.get(REVOKE)).status_code == 405


async def test_the_profile(door: Door, name: str) -> None:
    anonymous = await door.get(PROFILE, NOBODY)
    assert (anonymous.status_code, anonymous.json()) == (
        200,
        {"username": "", "profile": {}, "is_staff": False},
    )
    for role, projects in [
        (Role.USER, ()),
        (Role.USER, ("b", "a,c", "Ω")),
        (Role.STAFF, ("x",)),
        (Role.ADMIN, ()),
    ]:
        username = f"{name}-{role}-{len(projects)}"
        who = await door.house.account(username, role, projects=projects)
        expected = {
            "username": username,
            "profile": {"proposals": sorted(projects)},
            "is_staff": role is not Role.USER,
        }
        assert (await door.get(PROFILE, who)).json() == expected


BAD: list[tuple[str, str]] = [
    ("Token", "Invalid token header. No credentials provided."),
    ("token ", "Invalid token header. No credentials provided."),
    ("Bearer", "Invalid token header. No credentials provided."),
    ("Token a b", "Invalid token header. Token string should not contain spaces."),
    ("Bearer a b c", "Invalid token header. Token string should not contain spaces."),
    ("Token " + "0" * 40, "Invalid token."),
    ("Bearer " + "f" * 40, "Invalid token."),
    ("Token x", "Invalid token."),
    ("Token \u00e9", "Invalid token."),
    ("Basic", "Invalid basic header. No credentials provided."),
    ("Basic !!!", "Invalid basic header. Credentials not correctly base64 encoded."),
    ("Basic " + b64encode(b"name:0000").decode(), "Invalid token."),
    ("Basic " + b64encode(b"no colon").decode(), "Invalid token."),
]


@pytest.mark.parametrize(("header", "said"), BAD)
async def test_credentials_that_are_not_valid_are_401_everywhere(door: Door, header: str, said: str) -> None:
    for method, path in [
        ("GET", FRAMES), ("GET", f"{FRAMES}1/"), ("GET", PROFILE), ("GET", "/archive/thumbnails/"),
        ("GET", VERSIONS), ("POST", FRAMES), ("POST", AUTH), ("POST", REVOKE), ("GET", "/archive/files/a/b"),
        ("GET", "/archive/"),
    ]:  # fmt: skip
        answer = await door.client.request(method, path, headers={"Authorization": header.encode("latin-1")})
        assert (answer.status_code, answer.json()) == (401, {"detail": said}), (method, path)
        assert answer.headers["www-authenticate"] == "Token"


async def test_other_schemes_are_nobody(door: Door) -> None:
    for header in ("Digest x", "Negotiate", "Tokenx y", "", "   ", "AWS4-HMAC-SHA256 Credential=x"):
        who = {"Authorization": header}
        assert (await door.get(PROFILE, who)).json()["username"] == ""
        answer = await door.post(FRAMES, posted("x"), who)
        assert answer.status_code == 401
        assert answer.json() == {"detail": "Authentication credentials were not provided."}
        assert answer.headers["www-authenticate"] == "Token"


async def test_every_accepted_way_to_bring_a_token(door: Door, name: str) -> None:
    await door.house.account(name)
    token = door.house.tokens[name]
    basic = b64encode(f"anything:{token}".encode()).decode()
    for who in [
        bearing(token), bearing(token, "token"), bearing(token, "Bearer"), bearing(basic, "Basic"),
        {"X-Charon-API-token": token}, {"Authorization": "Digest x", "X-Charon-API-token": token},
    ]:  # fmt: skip
        assert (await door.get(PROFILE, who)).json()["username"] == name


async def test_the_roots_and_health(door: Door) -> None:
    roots = (await door.get("/archive/", NOBODY)).json()
    base = "http://archive.test/archive"
    assert roots == {
        "frames": f"{base}/frames/", "versions": f"{base}/versions/", "thumbnails": f"{base}/thumbnails/"
    }  # fmt: skip
    health = await door.get("/archive/health/", {"Authorization": "Token nonsense"})
    assert (health.status_code, health.text) == (200, '"ok"')
