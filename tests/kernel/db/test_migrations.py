"""The schema: made, brought up to date by one process at a time, refused when it doesn't fit."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from starlette.datastructures import QueryParams

import entrepot.app  # so that every room's tables are known
from entrepot.kernel.db import Database, SchemaState, metadata, migrate, prepare, schema
from entrepot.kernel.errors import Unavailable
from entrepot.modules.archive.models import Sight
from entrepot.modules.archive.query import read_query
from entrepot.modules.archive.settings import ArchiveSettings
from entrepot.modules.archive.store.shapes import count_statement, shape_of, values_of

assert entrepot.app


async def run(database: Database, statement: str) -> None:
    async with database.writer.begin() as connection:
        await connection.execute(text(statement))


async def tables(database: Database) -> set[str]:
    async with database.writer.connect() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


def differences(connection: Connection) -> list[object]:
    # SQLite keeps an R*Tree in tables of its own.
    context = MigrationContext.configure(
        connection,
        opts={
            "compare_type": True,
            "include_name": lambda name, *_: not str(name).startswith("archive_sky"),
        },
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Alembic says which indexes on expressions it can't compare
        return compare_metadata(context, metadata)


def described(connection: Connection) -> dict[str, object]:
    """Describe what Alembic passes over as well: defaults, nulls, and which indexes and keys there are."""
    inspector = inspect(connection)
    found: dict[str, object] = {}
    for table in inspector.get_table_names():
        found[table] = {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in inspector.get_columns(table)
            },
            "indexes": {index["name"]: index["unique"] for index in inspector.get_indexes(table)},
            "unique": {one["name"] for one in inspector.get_unique_constraints(table)},
            "references": {one["name"]: one["options"] for one in inspector.get_foreign_keys(table)},
            "key": inspector.get_pk_constraint(table)["constrained_columns"],
        }
    return found


async def test_the_migrations_make_what_the_tables_say(empty_url: str) -> None:
    database = Database(empty_url)
    assert await migrate(database) is SchemaState.EMPTY
    async with database.writer.connect() as connection:
        assert await connection.run_sync(differences) == []
        migrated = await connection.run_sync(described)
    await run(database, "DROP TABLE alembic_version")
    async with database.writer.begin() as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
        made = await connection.run_sync(described)
    await database.close()
    del migrated["alembic_version"]
    assert migrated == made
    assert {"kernel_user", "kernel_event", "archive_frame", "archive_version"} <= set(made)


async def test_an_empty_database_is_made_ready_and_then_left_alone(empty_url: str) -> None:
    database = Database(empty_url)
    await prepare(database)
    await prepare(database)
    assert await migrate(database) is SchemaState.CURRENT
    await database.ready()
    assert "archive_frame" in await tables(database)
    assert database.file is None or not list(database.file.parent.glob("*before*"))
    await database.close()


async def test_many_may_migrate_at_once(empty_url: str) -> None:
    databases = [Database(empty_url, pool=2) for _ in range(5)]
    found = await asyncio.gather(*map(migrate, databases))
    assert sorted(state.value for state in found) == ["current"] * 4 + ["empty"]
    for database in databases:
        await database.close()


PREPARE = """
import asyncio, sys
from entrepot.kernel.db import Database, prepare
async def main():
    database = Database(sys.argv[1])
    await prepare(database)
    await database.close()
asyncio.run(main())
"""


async def test_processes_may_start_at_once_on_an_empty_database(empty_url: str) -> None:
    def start() -> tuple[int, bytes]:
        done = subprocess.run([sys.executable, "-c", PREPARE, empty_url], stderr=subprocess.PIPE, timeout=60)
        return done.returncode, done.stderr

    ends = await asyncio.gather(*(asyncio.to_thread(start) for _ in range(3)))
    for code, errors in ends:
        assert code == 0, errors.decode()
    database = Database(empty_url)
    assert await migrate(database) is SchemaState.CURRENT
    await database.close()


NEXT = '''
"""A migration of a later version."""
from alembic import op
from sqlalchemy import Column, Integer
revision = "9998"
down_revision = {head!r}
branch_labels = depends_on = None
def upgrade():
    op.create_table("later", Column("number", Integer))
    {more}
'''

AddMigration = Callable[..., None]


@pytest.fixture
def add_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AddMigration:
    """Make the history one migration longer than it is, as a later version would."""

    def add(more: str = "") -> None:
        folder = tmp_path / "later"
        folder.mkdir()
        own: Config = schema._config()
        head = ScriptDirectory.from_config(own).get_current_head()
        assert schema._newest() == head
        (folder / "9998_later.py").write_text(NEXT.format(head=head, more=more))
        versions = Path(own.get_main_option("script_location") or "") / "versions"

        def config() -> Config:
            longer = Config()
            longer.set_main_option("script_location", str(versions.parent))
            longer.set_main_option("path_separator", "os")
            longer.set_main_option("version_locations", os.pathsep.join((str(versions), str(folder))))
            return longer

        monkeypatch.setattr(schema, "_config", config)
        monkeypatch.setattr(schema, "_newest", lambda: "9998")

    return add


async def test_an_older_schema_is_migrated_or_refused(url: str, add_migration: AddMigration) -> None:
    add_migration()
    database = Database(url)
    await run(
        database, "INSERT INTO kernel_event (kind, body, created) VALUES ('before', '{}', CURRENT_TIMESTAMP)"
    )
    if database.file is not None:
        await prepare(database)
        copy = database.file.with_name("catalogue-before-migration.sqlite")
        with closing(sqlite3.connect(copy)) as kept:
            assert kept.execute("SELECT kind FROM kernel_event").fetchall() == [("before",)]
            assert not kept.execute("SELECT 1 FROM sqlite_master WHERE name = 'later'").fetchall()
    else:
        with pytest.raises(Unavailable, match=r"older than this version: .* run `entrepot migrate`\.$"):
            await prepare(database)
        assert "later" not in await tables(database)
        assert await migrate(database) is SchemaState.BEHIND
    assert "later" in await tables(database)
    await prepare(database)
    assert await migrate(database) is SchemaState.CURRENT
    await database.close()


async def test_a_migration_that_fails_leaves_everything_as_it_was(
    url: str, add_migration: AddMigration
) -> None:
    add_migration('raise RuntimeError("on purpose")')
    database = Database(url)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="on purpose"):
            await migrate(database)
        assert "later" not in await tables(database)
    await database.close()


@pytest.mark.parametrize(
    "change",
    ["UPDATE alembic_version SET version_num = 'from-the-future'", "DROP TABLE alembic_version"],
    ids=["later", "unknown"],
)
async def test_a_newer_or_unknown_schema_is_refused_in_one_sentence(url: str, change: str) -> None:
    database = Database(url)
    await run(database, change)
    before = await tables(database)
    for act in (prepare, migrate):
        with pytest.raises(Unavailable, match="newer than this version") as refused:
            await act(database)
        assert "\n" not in refused.value.detail
    assert await tables(database) == before
    await database.close()


async def test_a_database_that_cannot_be_reached_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "text.sqlite").write_text("this is no database " * 100)
    for url in [
        "postgresql://nobody@127.0.0.1:1/nothing",
        f"sqlite:///{tmp_path}/file/catalogue.sqlite",
        f"sqlite:///{tmp_path}/text.sqlite",
        f"sqlite:///{tmp_path}",
    ]:
        database = Database(url)
        with pytest.raises(Unavailable) as refused:
            await prepare(database)
        assert "\n" not in refused.value.detail
        await database.close()


SQUARE = "[[10,10],[10,11],[11,11],[11,10],[10,10]]"
NOTCHED = "[[40,0],[44,0],[44,1],[41,1],[41,4],[40,4],[40,0]]"


async def test_footprints_of_an_older_catalogue_are_searched_by_place(empty_url: str) -> None:
    database = Database(empty_url)
    await _made_by_the_first_version(database)
    for number, ring in enumerate((SQUARE, NOTCHED, None), 1):
        area = "NULL" if ring is None else f"""'{{"type":"Polygon","coordinates":[{ring}]}}'"""
        observed = "0" if database.is_sqlite else "'1970-01-01T00:00:00Z'"
        await run(
            database,
            "INSERT INTO archive_frame (id, basename, basename_lower, observation_date, area, has_version, "
            f"created, modified) VALUES ({number}, 'old-{number}', 'old-{number}', {observed}, "
            f"{area.replace(':', chr(92) + ':')}, TRUE, {observed}, {observed})",
        )
    assert await migrate(database) is SchemaState.BEHIND
    everybody = Sight(everything=True, projects=frozenset(), now=datetime.now(UTC))
    found: dict[str, list[int]] = {}
    for text_ in ("covers=POINT(10.5 10.5)", "covers=POINT(41 0.5)", "covers=POINT(43 3)"):
        query = read_query(QueryParams(text_), ArchiveSettings())
        async with database.read() as session:
            statement = count_statement(shape_of(query, everybody), bounded=False)
            found[text_] = [row[0] for row in await session.rows(statement, values_of(query, everybody))]
    await database.close()
    assert list(found.values()) == [[1], [1], [0]]


async def _made_by_the_first_version(database: Database) -> None:
    if database.file is not None:
        database.file.parent.mkdir(parents=True, exist_ok=True)

    def upgrade(connection: Connection) -> None:
        config = schema._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")

    async with database.writer.begin() as connection:
        await connection.run_sync(upgrade)
