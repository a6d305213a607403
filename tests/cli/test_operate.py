"""``entrepot settings``, ``migrate``, ``version``, help, and what goes wrong."""

import os
import pty
import select
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typer.main

import entrepot
from entrepot.cli import command_line

SECRETS = {
    "ENTREPOT_SECRET_KEY": "hidden-one",
    "ENTREPOT_S3_SECRET_ACCESS_KEY": "hidden-two",
    "ENTREPOT_DATABASE_URL": "postgresql://ada:hidden-three@db.example.org/catalogue",
    "ENTREPOT_BROKER_URL": "amqp://ada:hidden-four@broker.example.org/",
}


def test_settings_are_shown_with_default_and_meaning_and_without_secrets(cli) -> None:
    lines: Any = cli("settings", "--json", ENTREPOT_PORT="9001", **SECRETS).json()
    by_name = {line["name"]: line for line in lines}
    assert by_name["ENTREPOT_PORT"]["value"] == "9001"
    assert by_name["ENTREPOT_PORT"]["default"] == "8000"
    assert by_name["ENTREPOT_DATABASE_URL"]["value"] == "postgresql://ada:********@db.example.org/catalogue"
    assert by_name["ENTREPOT_SECRET_KEY"]["value"] == "********"
    assert "ENTREPOT_ARCHIVE_PAGE_MAX" in by_name
    assert all(line["meaning"] for line in lines)
    table = cli("settings", **SECRETS)
    for text in (table.out, table.err, str(lines)):
        assert "hidden" not in text
    assert all(name in table.out for name in by_name)


def test_the_file_gives_way_to_variables(cli) -> None:
    file = cli.folder / "entrepot.toml"
    file.write_text('port = 9002\nhost = "127.0.0.3"\n\n[archive]\npage_max = 50\n')
    lines: Any = cli("settings", "--json", ENTREPOT_CONFIG=str(file), ENTREPOT_PORT="9001").json()
    values = {line["name"]: line["value"] for line in lines}
    assert values["ENTREPOT_PORT"] == "9001"
    assert values["ENTREPOT_HOST"] == "127.0.0.3"
    assert values["ENTREPOT_ARCHIVE_PAGE_MAX"] == "50"


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        (
            {"ENTREPOT_PROT": "9000"},
            "ENTREPOT_PROT is not a setting of this version; did you mean ENTREPOT_PORT?",
        ),
        ({"ENTREPOT_PORT": "many"}, "ENTREPOT_PORT is not right"),
        ({"ENTREPOT_ARCHIVE_PAGE_MAX": "0"}, "ENTREPOT_ARCHIVE_PAGE_MAX is not right"),
        ({"ENTREPOT_LOG_FORMAT": "xml"}, "ENTREPOT_LOG_FORMAT is not right"),
        ({"ENTREPOT_DATABASE_URL": "oracle://x/y"}, "ENTREPOT_DATABASE_URL asks for oracle"),
        ({"ENTREPOT_DATABASE_URL": "nonsense"}, "ENTREPOT_DATABASE_URL is not a database URL"),
        ({"ENTREPOT_CONFIG": "nowhere.toml"}, "ENTREPOT_CONFIG names nowhere.toml"),
    ],
)
def test_a_bad_setting_is_named_in_one_sentence(cli, environ: dict[str, str], named: str) -> None:
    for command in (("user", "list"), ("serve",)):
        bad = cli(*command, **environ)
        assert (bad.code, bad.out) == (2, "")
        assert bad.err.startswith(named)
        assert bad.err.count("\n") == 1


def test_variables_of_tests_are_left_alone(cli) -> None:
    assert cli("settings", ENTREPOT_TEST_ANYTHING="x").code == 0


def test_migrating_says_what_it_found_and_did(both) -> None:
    first: Any = both("migrate", "--json").json()
    assert (first["found"], first["changed"]) == ("empty", True)
    second: Any = both("migrate", "--json").json()
    assert (second["found"], second["changed"]) == ("current", False)
    assert (
        both("migrate").out == f"The catalogue {first['catalogue']} is up to date; there was nothing to do.\n"
    )


def test_the_version_is_printed(cli) -> None:
    assert cli("version").out == f"entrepot {entrepot.__version__}\n"
    assert cli("version", "--json").json() == {"name": "entrepot", "version": entrepot.__version__}


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"ENTREPOT_DATABASE_URL": "postgresql://x@127.0.0.1:9/y"}, "The database doesn't answer"),
        ({"ENTREPOT_DATA_DIR": "a-file/data"}, "a-file/data can't be made: Not a directory."),
        ({"ENTREPOT_DATA_DIR": "damaged"}, "The database can't be used; the log says why."),
    ],
)
def test_a_database_out_of_reach_is_said_in_a_sentence(cli, environ: dict[str, str], sentence: str) -> None:
    (cli.folder / "a-file").touch()
    (cli.folder / "damaged").mkdir()
    (cli.folder / "damaged" / "catalogue.sqlite").write_text("This is no database, but text of some length.")
    failed = cli("user", "list", **environ)
    assert (failed.code, failed.out) == (1, "")
    assert sentence in failed.err.splitlines()[-1]
    assert "Traceback" not in failed.err


def test_every_command_has_a_sentence_and_an_example() -> None:
    def check(command: Any, path: str) -> int:
        assert command.help, path
        children = getattr(command, "commands", {})
        if not children:
            assert command.epilog, path
            assert command.epilog.startswith("Example: "), path
            assert path in command.epilog, path
        return len(children) + sum(check(child, f"{path} {name}") for name, child in children.items())

    assert check(typer.main.get_command(command_line()), "entrepot") > 10


def _dialogue(
    arguments: list[str], environ: dict[str, str], answers: list[tuple[str, str]]
) -> tuple[int, str]:
    """Run the installed program at a terminal; give its exit code and what it showed."""
    program = Path(sys.executable).with_name("entrepot")
    child, terminal = pty.fork()
    if child == 0:
        os.execve(program, [str(program), *arguments], environ)
    shown, deadline = "", time.monotonic() + 60
    waiting = list(answers)
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            shown += os.read(terminal, 4096).decode()
        except OSError:
            break
        if waiting and shown.endswith(waiting[0][0]):
            os.write(terminal, waiting.pop(0)[1].encode())
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown


def test_at_a_terminal_the_password_is_asked_for_twice_and_not_shown(cli) -> None:
    answers = [("Password: ", "correct horse\n"), ("confirmation: ", "correct horse\n")]
    code, shown = _dialogue(["user", "add", "ada"], cli.environ, answers)
    assert code == 0, shown
    assert "User ada was added with the role user." in shown
    assert "correct horse" not in shown
