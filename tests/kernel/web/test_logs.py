from __future__ import annotations

import json
import logging
import logging.config
import math
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from entrepot.kernel.logs import configure_logs, server_log_config


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("sqlalchemy", "sqlalchemy.engine", "_granian"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def lines(capsys) -> list[dict[str, object]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_own_and_library_lines_have_one_shape(capsys) -> None:
    configure_logs("json", "info")
    with bound_contextvars(request_id="abc"):
        structlog.stdlib.get_logger("entrepot.test").info("ours", number=1)
        logging.getLogger("taskiq.worker").warning("theirs %s", "x")
    ours, theirs = lines(capsys)
    assert {key: ours[key] for key in ("event", "level", "logger", "request_id", "number")} == {
        "event": "ours",
        "level": "info",
        "logger": "entrepot.test",
        "request_id": "abc",
        "number": 1,
    }
    assert {key: theirs[key] for key in ("event", "level", "logger", "request_id")} == {
        "event": "theirs x",
        "level": "warning",
        "logger": "taskiq.worker",
        "request_id": "abc",
    }
    assert ours["time"].endswith("Z")
    assert theirs["time"].endswith("Z")


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_the_least_level(capsys, level) -> None:
    configure_logs("json", level)
    log, library = structlog.get_logger(), logging.getLogger("taskiq")
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)(name)
        getattr(library, name)(name)
    wanted = ["debug", "info", "warning", "error"][["debug", "info", "warning", "error"].index(level) :]
    assert [line["event"] for line in lines(capsys)] == [name for name in wanted for _ in range(2)]


def test_chatty_libraries_only_warn_except_at_debug(capsys) -> None:
    configure_logs("json", "info")
    logging.getLogger("sqlalchemy.engine").info("SELECT 1")
    logging.getLogger("sqlalchemy.engine").warning("slow")
    assert [line["event"] for line in lines(capsys)] == ["slow"]
    configure_logs("json", "debug")
    logging.getLogger("sqlalchemy.engine").debug("SELECT 1")
    assert [line["event"] for line in lines(capsys)] == ["SELECT 1"]


@pytest.mark.parametrize("format_", ["json", "console"])
@pytest.mark.parametrize(
    "values",
    [
        {"token": "hunter2"},
        {"auth_token": "hunter2"},
        {"Password": "hunter2"},
        {"client_secret": "hunter2"},
        {"AUTHORIZATION": "Token hunter2"},
        {"headers": {"authorization": "hunter2", "x": {"api_key": "hunter2"}}},
        {"signature": b"hunter2"},
    ],
)
def test_secrets_are_masked(capsys, format_, values) -> None:
    configure_logs(format_, "info")
    structlog.get_logger().info("something", kept="visible", **values)
    written = capsys.readouterr().err
    assert "hunter2" not in written
    assert "***" in written
    assert "visible" in written


def test_masking_does_not_touch_the_callers_mapping(capsys) -> None:
    configure_logs("json", "info")
    headers = {"authorization": "hunter2"}
    structlog.get_logger().info("something", headers=headers)
    assert headers == {"authorization": "hunter2"}


def test_passwords_in_urls_of_libraries(capsys) -> None:
    configure_logs("json", "info")
    logging.getLogger("aio_pika").warning("lost amqp://user:hunter2@host:5672/v")
    logging.getLogger("x").warning("see https://host/a:b@c")
    masked, kept = lines(capsys)
    assert masked["event"] == "lost amqp://user:***@host:5672/v"
    assert kept["event"] == "see https://host/a:b@c"


@pytest.mark.parametrize("format_", ["json", "console"])
@pytest.mark.parametrize("logger", [structlog.get_logger(), logging.getLogger("x")], ids=["ours", "theirs"])
def test_tracebacks_without_local_variables(capsys, format_, logger) -> None:
    configure_logs(format_, "info")
    try:
        hidden = "hunter" + "2"
        raise ZeroDivisionError(len(hidden))
    except ZeroDivisionError:
        logger.exception("failed")
    written = capsys.readouterr().err
    assert "Traceback" in written
    assert "ZeroDivisionError" in written
    assert "hunter2" not in written


@pytest.mark.parametrize("value", [math.nan, math.inf, {"a": [math.nan]}, object(), b"x", {1, 2}])
def test_lines_are_always_json(capsys, value) -> None:
    configure_logs("json", "info")
    structlog.get_logger().info("something\nelse", value=value)
    captured = capsys.readouterr().err
    assert captured.count("\n") == 1
    assert json.loads(captured, parse_constant=pytest.fail)["event"] == "something\nelse"


def test_setting_up_again_does_not_double_lines(capsys) -> None:
    configure_logs("json", "info")
    configure_logs("json", "info")
    logging.getLogger("x").info("once")
    assert len(lines(capsys)) == 1


def test_the_servers_lines_are_ours(capsys) -> None:
    logging.getLogger("_granian").addHandler(logging.StreamHandler())
    configure_logs("json", "info")
    logging.config.dictConfig(server_log_config())
    logging.getLogger("_granian").info("listening")
    (line,) = lines(capsys)
    assert (line["event"], line["logger"]) == ("listening", "_granian")


def test_nothing_is_set_up_by_importing() -> None:
    code = (
        "import logging, structlog, entrepot.kernel.logs; "
        "print(structlog.is_configured(), logging.root.handlers)"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    told = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "False []"
