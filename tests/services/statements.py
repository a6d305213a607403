"""The statements that reach the drivers, whichever way they take through the service."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import aiosqlite
import asyncpg
import pytest
from asyncpg.prepared_stmt import PreparedStatement

_noted: ContextVar[list[str] | None] = ContextVar("noted", default=None)


@contextmanager
def noted() -> Iterator[list[str]]:
    """Note the statements of what runs inside, where they enter aiosqlite and asyncpg.

    BEGIN, COMMIT and ROLLBACK are statements too.
    """
    statements: list[str] = []
    token = _noted.set(statements)
    with pytest.MonkeyPatch.context() as patch:
        _watch(patch, aiosqlite.Connection, "_execute", _of_sqlite)
        _watch(patch, asyncpg.Connection, "execute", lambda text, *values: None if values else text)
        _watch(patch, asyncpg.Connection, "_execute", lambda text, *_: text)
        _watch(patch, asyncpg.Connection, "_executemany", lambda text, *_: text)
        _watch(patch, PreparedStatement, "fetch", lambda *_: "a prepared statement")
        try:
            yield statements
        finally:
            _noted.reset(token)


def _of_sqlite(call: Callable[..., Any], *values: Any) -> str | None:
    if call.__name__ in ("execute", "executemany", "_execute_fetchall"):
        return str(values[0])
    return call.__name__.upper() if call.__name__ in ("commit", "rollback") else None


def _watch(patch: pytest.MonkeyPatch, place: Any, name: str, text_of: Callable[..., str | None]) -> None:
    plain = getattr(place, name)

    async def watched(self: Any, *values: Any, **options: Any) -> Any:
        statements = _noted.get()
        text = None if statements is None else text_of(*values)
        if statements is not None and text:
            statements.append(" ".join(text.split())[:60])
        return await plain(self, *values, **options)

    patch.setattr(place, name, watched)
