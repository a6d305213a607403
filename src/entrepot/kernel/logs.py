"""Logs: one set-up for our own lines and the libraries', to standard error."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

__all__ = ["configure_logs", "is_secret", "mask_secrets", "server_log_config"]

Level = Literal["debug", "info", "warning", "error"]
MASK = "***"
SECRET = re.compile(
    r"token|passw(?:or)?d|passwd|secret|signature|authorization|credential|api[-_]?key|cookie", re.IGNORECASE
)
URL_PASSWORD = re.compile(r"(://[^/\s:@]*):[^/\s@]+@")
CHATTY = (
    "alembic",
    "aio_pika",
    "aiormq",
    "aiosqlite",
    "asyncio",
    "botocore",
    "httpcore",
    "httpx",
    "sqlalchemy",
    "urllib3",
)
SERVERS = ("_granian", "granian", "granian.access", "uvicorn", "uvicorn.access", "uvicorn.error")
PLAIN = frozenset((str, int, float, bool, type(None)))
LONGEST_NAME = 64
DEEPEST = 4


def configure_logs(format: Literal["console", "json"], level: Level) -> None:  # noqa: A002 - the setting's name
    """Send all log lines to standard error in one shape; called by the entry points.

    Every line has time, level, logger and the request's id; values named like secrets are masked,
    and so are passwords in URLs that libraries log. ``level`` is the least that is written; the
    libraries that tell much only warn, except at ``debug``.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    renderer = _json_renderer() if format == "json" else _console_renderer()
    first: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    structlog.configure(
        processors=[*first, mask_secrets, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_StderrLogger,
        cache_logger_on_first_use=False,
    )
    _configure_libraries(number, first, renderer)


def is_secret(name: str) -> bool:
    """Tell whether a name says that its value is secret, such as ``auth_token`` or ``Password``."""
    return _is_secret(name) if len(name) <= LONGEST_NAME else SECRET.search(name) is not None


@lru_cache(maxsize=2048)
def _is_secret(name: str) -> bool:
    return SECRET.search(name) is not None


def mask_secrets(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Mask what is named like a secret, also inside mappings (a structlog processor)."""
    for name, value in event.items():
        if is_secret(name):
            event[name] = MASK
        elif type(value) not in PLAIN and isinstance(value, Mapping):
            event[name] = _masked(cast("Mapping[object, object]", value), 1)
    return event


def server_log_config() -> dict[str, object]:
    """Give the ``logging`` configuration for the HTTP server: no handlers of its own, ours get its lines."""
    ours: dict[str, object] = {"handlers": (), "propagate": True}
    loggers = {name: dict(ours) for name in SERVERS}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {},
        "handlers": {},
        "loggers": loggers,
    }


def _configure_libraries(level: int, first: list[Processor], renderer: list[Processor]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=first,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                mask_secrets,
                _mask_url_passwords,
                *renderer,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in SERVERS:
        server = logging.getLogger(name)
        server.handlers.clear()
        server.propagate = True
    for name in CHATTY:
        logging.getLogger(name).setLevel(
            logging.NOTSET if level <= logging.DEBUG else max(level, logging.WARNING)
        )


def _json_renderer() -> list[Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)]


def _console_renderer() -> list[Processor]:
    return [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            timestamp_key="time",
            exception_formatter=structlog.dev.plain_traceback,  # the default prints local variables
        )
    ]


def _json(event: EventDict, **options: object) -> str:
    try:
        return json.dumps(event, default=repr, allow_nan=False, ensure_ascii=False)
    except ValueError:  # a NaN, which JSON has no word for
        return json.dumps(
            {name: value if isinstance(value, str) else repr(value) for name, value in event.items()}
        )


def _masked(values: Mapping[object, object], depth: int) -> dict[str, object]:
    masked: dict[str, object] = {}
    for key, value in values.items():
        name = str(key)
        if is_secret(name):
            masked[name] = MASK
        elif isinstance(value, Mapping) and depth < DEEPEST:
            masked[name] = _masked(cast("Mapping[object, object]", value), depth + 1)
        else:
            masked[name] = value
    return masked


def _mask_url_passwords(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    text = event.get("event")
    if isinstance(text, str) and "://" in text:
        event["event"] = URL_PASSWORD.sub(rf"\1:{MASK}@", text)
    return event


class _StderrLogger:
    """Writes a finished line to standard error; ``name`` goes into the line."""

    def __init__(self, name: str = "entrepot") -> None:
        self.name = name

    def msg(self, line: str) -> None:
        """Write one line at once, so that lines of several threads don't mix."""
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    debug = info = warning = warn = error = critical = exception = fatal = log = msg
