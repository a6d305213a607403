"""The schema's state, and bringing it up to date with Alembic."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from enum import Enum
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from filelock import FileLock, Timeout
from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection

from entrepot.kernel.db.database import Database, translated
from entrepot.kernel.errors import Unavailable

# Alembic takes a tenth of a second to load, and a catalogue that is up to date has no need of it.
if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["SchemaState", "migrate", "prepare"]

ADVISORY_LOCK = 0x656E7472  # "entr"
LOCK_LIMIT = 600.0

log = structlog.stdlib.get_logger(__name__)


class SchemaState(Enum):
    """How the catalogue's schema stands to this version's."""

    EMPTY = "empty"
    CURRENT = "current"
    BEHIND = "behind"
    AHEAD = "ahead"


async def prepare(database: Database) -> None:
    """Make the catalogue fit to serve: migrate SQLite and an empty PostgreSQL, refuse what doesn't fit."""
    state = await _state(database)
    if state is SchemaState.CURRENT:
        return
    if state is SchemaState.EMPTY or (database.is_sqlite and state is SchemaState.BEHIND):
        await migrate(database)
        return
    if state is SchemaState.BEHIND:
        raise Unavailable(
            "The catalogue's schema is older than this version: stop the servers and run `entrepot migrate`."
        )
    raise Unavailable(
        "The catalogue's schema is newer than this version of Entrepôt: install the version that made it."
    )


async def migrate(database: Database) -> SchemaState:
    """Bring the schema to this version's; a SQLite file is copied first. Gives the state it found.

    Several processes may call it at once: one migrates, the others wait.
    """
    async with _alone(database):
        state = await _state(database)
        if state is SchemaState.AHEAD:
            raise Unavailable("The catalogue's schema is newer than this version of Entrepôt.")
        if state is SchemaState.BEHIND and database.file is not None:
            await asyncio.to_thread(_copy, database.file)
        if state is not SchemaState.CURRENT:
            with translated():
                async with database.writer.begin() as connection:
                    await connection.run_sync(_upgrade)
            log.info("the catalogue's schema is up to date", found=state.value)
    return state


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("entrepot.migrations")).replace("%", "%%"))
    return config


async def _state(database: Database) -> SchemaState:
    if database.file is not None:
        await asyncio.to_thread(_make_folder, database.file.parent)
    with translated():
        async with database.writer.connect() as connection:
            return await connection.run_sync(_read_state)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"The folder {folder} can't be made: {error.strerror}.") from error


def _read_state(connection: Connection) -> SchemaState:
    tables = inspect(connection)
    heads: set[str] = set()
    if tables.has_table("alembic_version"):
        heads = {row[0] for row in connection.execute(text("SELECT version_num FROM alembic_version"))}
    if heads == {_newest()}:
        return SchemaState.CURRENT
    if not heads:
        return SchemaState.EMPTY if not tables.has_table("kernel_user") else SchemaState.AHEAD
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config())
    known = {script.revision for script in scripts.walk_revisions()}
    return SchemaState.BEHIND if heads <= known else SchemaState.AHEAD


def _newest() -> str:
    """Give the newest revision: they are numbered, and their files are called by their numbers."""
    names = (file.name for file in (files("entrepot.migrations") / "versions").iterdir())
    return max(name.partition("_")[0] for name in names if name[:1].isdigit())


def _upgrade(connection: Connection) -> None:
    from alembic import command

    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _copy(file: Path) -> None:
    target = file.with_name(f"{file.stem}-before-migration{file.suffix}")
    target.unlink(missing_ok=True)
    with sqlite3.connect(file) as source, sqlite3.connect(target) as copy:
        source.backup(copy)
    source.close()
    copy.close()
    log.info("the catalogue was copied before its migration", copy=str(target))


@asynccontextmanager
async def _alone(database: Database) -> AsyncGenerator[None]:
    if database.file is not None:
        lock = FileLock(f"{database.file}.migrating", timeout=LOCK_LIMIT, thread_local=False)
        try:
            await asyncio.to_thread(lock.acquire)
        except Timeout as error:
            raise Unavailable("Another process has been migrating the catalogue for ten minutes.") from error
        try:
            yield
        finally:
            lock.release()
        return
    with translated():
        connection = await database.writer.connect()
    try:
        with translated():
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
            await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_LIMIT:.0f}s'"))
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        yield
    finally:
        await connection.close()
