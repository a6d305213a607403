"""A catalogue full of frames, in either database; kept between runs if wanted."""

import asyncio
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiosqlite
import asyncpg
from sqlalchemy.engine import make_url
from sqlalchemy.schema import CreateIndex, CreateTable

from entrepot.kernel.db import Database, prepare
from entrepot.modules.archive import tables
from sky_survey import Batch, Row, Survey

SERVER = os.environ.get("ENTREPOT_TEST_POSTGRES_URL") or "postgresql://postgres@127.0.0.1:5432/postgres"
BATCH = 20_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SWEEPS_OFF = "86400"

FILLED = (
    (tables.frame, "frames"),
    (tables.document, "documents"),
    (tables.version, "versions"),
    (tables.relation, "relations"),
)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A data folder and a database, as the service is told of them."""

    kind: str
    folder: Path
    url: str
    survey: Survey

    @property
    def environ(self) -> dict[str, str]:
        """Give the settings of a service on this catalogue.

        Sweeps are off: they would look for the files of frames that a replay has inserted.
        """
        return {
            "ENTREPOT_DATA_DIR": str(self.folder),
            "ENTREPOT_DATABASE_URL": self.url,
            "ENTREPOT_SECRET_KEY": "a key for benchmarks, long enough",
            "ENTREPOT_JOBS_SWEEP": SWEEPS_OFF,
        }

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Database]:
        """Open the database as the service does."""
        database = Database(self.url or f"sqlite:///{self.folder / 'catalogue.sqlite'}")
        try:
            yield database
        finally:
            await database.close()


@contextmanager
def catalogue(kind: str, frames: int, root: Path, *, keep: bool) -> Iterator[Catalogue]:
    """Give a catalogue of so many frames, filled unless one of today's schema is kept; dropped afterwards.

    With ``keep`` it stays for the next run.
    """
    folder = root.absolute() / f"{kind}-{frames}"
    name = f"entrepot_bench_{frames}"
    mark = folder / "filled.json"
    url = (
        "" if kind == "sqlite" else make_url(SERVER).set(database=name).render_as_string(hide_password=False)
    )
    try:
        if _kept_schema(mark) != _schema():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            made = Catalogue(kind, folder, url, Survey(frames, datetime.now(UTC) - timedelta(hours=1)))
            asyncio.run(_fill(made, name))
            mark.write_text(json.dumps({"last": made.survey.last.isoformat(), "schema": _schema()}))
        last = datetime.fromisoformat(json.loads(mark.read_text())["last"])
        yield Catalogue(kind, folder, url, Survey(frames, last))
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
            if url:
                asyncio.run(on_server(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


def _kept_schema(mark: Path) -> str | None:
    return json.loads(mark.read_text()).get("schema") if mark.exists() else None


def _schema() -> str:
    """Give a mark of the archive's tables, indexes and documents as they are meant to be today."""
    parts = [str(CreateTable(table)) for table, _ in FILLED]
    parts += [document for batch in Survey(20, EPOCH).batches(20) for _, document, _ in batch.documents]
    parts += sorted(str(CreateIndex(index)) for table, _ in FILLED for index in table.indexes)
    return hashlib.sha256("".join(parts).encode()).hexdigest()


async def _fill(made: Catalogue, name: str) -> None:
    if made.url:
        await on_server(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await on_server(f'CREATE DATABASE "{name}" TEMPLATE template0')
    async with made.opened() as database:
        await prepare(database)
    if made.url:
        await _fill_postgresql(made.url, made.survey)
    else:
        await _fill_sqlite(made.folder / "catalogue.sqlite", made.survey)


async def on_server(statement: str) -> None:
    """Run a statement on the server itself, outside any catalogue."""
    connection = await asyncpg.connect(SERVER)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _rows(batch: Batch) -> Iterable[tuple[Any, list[str], list[Row]]]:
    for table, part in FILLED:
        yield table.name, [column.name for column in table.c], getattr(batch, part)


async def _fill_postgresql(url: str, survey: Survey) -> None:
    connection = await asyncpg.connect(url)
    try:
        for batch in survey.batches(BATCH):
            for table, columns, rows in _rows(batch):
                await connection.copy_records_to_table(table, records=rows, columns=columns)
        for table in ("archive_frame", "archive_version"):
            await connection.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
            )
        await connection.execute("VACUUM (ANALYZE)", timeout=3600)
    finally:
        await connection.close()


async def _fill_sqlite(file: Path, survey: Survey) -> None:
    async with aiosqlite.connect(file, isolation_level=None) as connection:
        for pragma in ("synchronous = OFF", "cache_size = -1000000", "wal_autocheckpoint = 100000"):
            await connection.execute(f"PRAGMA {pragma}")
        for batch in survey.batches(BATCH):
            await connection.execute("BEGIN")
            for table, columns, rows in _rows(batch):
                marks = ", ".join("?" * len(columns))
                statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
                await connection.executemany(statement, map(_sqlite_row, rows))
            await connection.commit()
        await connection.execute("ANALYZE")
        await connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _sqlite_row(row: Sequence[Any]) -> list[Any]:
    return [_sqlite_value(value) if isinstance(value, date) else value for value in row]


def _sqlite_value(value: date) -> int | str:
    """Write a moment as microseconds since 1970, a day as text, as the service's column types do."""
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(microseconds=1)
    return value.isoformat()
