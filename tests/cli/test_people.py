"""``entrepot user``, ``token`` and ``member``."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

PASSWORD = "correct horse battery\n"


def names(cli) -> list[str]:
    return [user["username"] for user in cli("user", "list", "--json").json()]


def test_people_and_tokens_are_made_before_the_server_ever_ran(both) -> None:
    made = both("user", "add", "ada", "--role", "staff", stdin=PASSWORD)
    assert (made.code, made.out, made.err) == (0, "User ada was added with the role staff.\n", "")
    token = both("token", "add", "ada")
    assert (token.code, token.err) == (0, "")
    assert re.fullmatch("[0-9a-f]{40}\n", token.out)
    again = both("token", "add", "ada", "--scope", "read")
    assert again.out != token.out
    (user,) = both("user", "list", "--json").json()
    assert user.items() >= {"username": "ada", "role": "staff", "password": True, "disabled": None}.items()


def test_json_of_new_things(cli) -> None:
    user: Any = cli("user", "add", "ada", "--no-password", "--json").json()
    assert user.items() >= {"username": "ada", "role": "user", "password": False}.items()
    options = ("--name", "cron job", "--scope", "admin", "--expires-days", "2")
    token: Any = cli("token", "add", "ada", *options, "--json").json()
    assert re.fullmatch("[0-9a-f]{40}", token.pop("token"))
    expires = datetime.fromisoformat(token["expires"]) - datetime.now(UTC)
    assert timedelta(days=1.9) < expires < timedelta(days=2)
    assert cli("token", "list", "ada", "--json").json() == [token]
    assert token.items() >= {"id": 1, "username": "ada", "name": "cron job", "scope": "admin"}.items()


def test_tables_are_plain_text_for_programs(cli) -> None:
    assert cli("user", "list").out == "There are no users yet.\n"
    cli("user", "add", "ada [bold]", "--no-password")
    table = cli("user", "list", FORCE_COLOR="", TERM="xterm-256color").out
    assert "\x1b" not in table
    header, row = table.splitlines()
    assert header.split() == ["username", "role", "password", "created", "disabled"]
    assert row.startswith("ada [bold]")


@pytest.mark.parametrize(
    ("stdin", "sentence"),
    [
        (b"", "No password came on standard input; --no-password makes a user who comes by token alone.\n"),
        (b"\n", "A password has at least 8 characters.\n"),
        (b"short\nlong enough though\n", "A password has at least 8 characters.\n"),
        (b"\xff\xfe\xfd password\n", "The password on standard input must be UTF-8 text.\n"),
        (b"x" * 2000 + b"\n", "A password has at most 1,024 characters.\n"),
    ],
)
def test_a_bad_password_makes_no_user(cli, stdin: bytes, sentence: str) -> None:
    refused = cli("user", "add", "ada", stdin=stdin)
    assert (refused.code, refused.out, refused.err) == (1, "", sentence)
    assert names(cli) == []


@pytest.mark.parametrize(
    "line", ["correct horse\n", "correct horse\r\n", "correct horse", "pässwörd ü\nrest\n"]
)
def test_a_password_is_one_line(cli, line: str) -> None:
    assert cli("user", "add", "ada", stdin=line).code == 0


def test_an_account_is_changed(both) -> None:
    both("user", "add", "ada", stdin=PASSWORD)
    for arguments, sentence in [
        (("role", "ada", "admin"), "User ada has the role admin now.\n"),
        (("password", "ada"), "User ada has a new password.\n"),
        (("disable", "ada"), "User ada is disabled.\n"),
    ]:
        done = both("user", *arguments, stdin="another password\n")
        assert (done.code, done.out, done.err) == (0, sentence, "")
    (user,) = both("user", "list", "--json").json()
    assert user["role"] == "admin"
    assert user["disabled"].endswith("Z")
    refused = both("token", "add", "ada")
    assert (refused.code, refused.err) == (4, "The account of ada is disabled; enable it first.\n")
    assert both("user", "enable", "ada").out == "User ada is enabled.\n"
    assert both("token", "add", "ada").code == 0


def test_tokens_are_revoked_by_number(cli) -> None:
    cli("user", "add", "ada", "--no-password")
    cli("token", "add", "ada")
    assert cli("token", "revoke", "1").out == "Token 1 is revoked.\n"
    assert cli("token", "list").out == "There are no tokens.\n"
    gone = cli("token", "revoke", "1")
    assert (gone.code, gone.out, gone.err) == (3, "", "There is no token 1.\n")


def test_members_come_and_go(both) -> None:
    both("user", "add", "ada", "--no-password")
    assert both("member", "list").out == "There are no members.\n"
    assert both("member", "add", "P 1", "ada").out == "ada is a member of P 1 now.\n"
    assert both("member", "add", "P 1", "ada").out == "ada is a member of P 1 already.\n"
    (member,) = both("member", "list", "P 1", "--json").json()
    assert (member["project"], member["username"]) == ("P 1", "ada")
    assert both("member", "list", "P 2", "--json").json() == []
    assert both("member", "remove", "P 1", "ada").out == "ada is no longer a member of P 1.\n"
    gone = both("member", "remove", "P 1", "ada")
    assert (gone.code, gone.err) == (3, "ada is no member of P 1.\n")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("user", "add", "ada", "--no-password"), 4, "There is a user ada already."),
        (
            ("user", "add", "ADA", "--no-password"),
            4,
            "There is a user ada already, and names must differ by more than case.",
        ),
        (("user", "add", " ada", "--no-password"), 1, "A username has 1 to 150 characters"),
        (("user", "disable", "bob"), 3, "There is no user bob."),
        (("user", "role", "bob", "staff"), 3, "There is no user bob."),
        (("token", "add", "bob"), 3, "There is no user bob."),
        (("token", "add", "ada", "--name", "sign-in"), 1, "“sign-in” is what signing in calls its tokens"),
        (("token", "list", "bob"), 3, "There is no user bob."),
        (("member", "add", "P1", "bob"), 3, "There is no user bob."),
        (("member", "add", "", "ada"), 1, "A project's key has 1 to 200 characters"),
        (("member", "list", "a\nb"), 1, "A project's key has 1 to 200 characters"),
    ],
)
def test_a_refusal_is_one_sentence(cli, arguments: tuple[str, ...], code: int, sentence: str) -> None:
    cli("user", "add", "ada", "--no-password")
    refused = cli(*arguments)
    assert (refused.code, refused.out) == (code, "")
    assert refused.err.startswith(sentence)
    assert refused.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("user", "add"),
        ("user", "add", "ada", "--role", "king"),
        ("user", "role", "ada"),
        ("token", "add", "ada", "--scope", "all"),
        ("token", "add", "ada", "--expires-days", "0"),
        ("token", "add", "ada", "--expires-days", "36501"),
        ("token", "revoke", "x"),
        ("member", "add", "P1"),
        ("serve", "--port", "65536"),
        ("serve", "--workers", "0"),
        ("fly",),
    ],
)
def test_a_wrong_command_line_is_a_usage_error(cli, arguments: tuple[str, ...]) -> None:
    wrong = cli(*arguments)
    assert (wrong.code, wrong.out) == (2, "")
    assert "Usage: entrepot" in wrong.err
    assert not (cli.folder / "data").exists()
