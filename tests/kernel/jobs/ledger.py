"""A little module of its own: rows to work off, in SQLite, claimed by leases, and a job that does it."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path

from entrepot.kernel.jobs import Job

JOB = "test.work"


async def until(condition: Callable[[], object], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - other processes change it
            await asyncio.sleep(0.01)


class Ledger:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.sqlite"
        with closing(self._open()) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE IF NOT EXISTS work (id INTEGER PRIMARY KEY, claimed REAL, done REAL)")
            db.execute("CREATE TABLE IF NOT EXISTS run (id INTEGER, pid INTEGER, started REAL)")

    def add(self, ids: Iterable[int]) -> list[int]:
        new = list(ids)
        self._change("INSERT INTO work (id) SELECT value FROM json_each(?)", str(new))
        return new

    def due(self, lease: float, limit: int = 1000) -> list[int]:
        return self._ids(
            "SELECT id FROM work WHERE done IS NULL AND (claimed IS NULL OR claimed < ?) ORDER BY id LIMIT ?",
            time.time() - lease,
            limit,
        )

    def claim(self, ids: Sequence[int], lease: float) -> list[int]:
        now = time.time()
        claimed = self._ids(
            "UPDATE work SET claimed = ? WHERE id IN (SELECT value FROM json_each(?)) AND done IS NULL"
            " AND (claimed IS NULL OR claimed <= ?) RETURNING id",
            now,
            str(list(ids)),
            now - lease,
        )
        self._change(f"INSERT INTO run SELECT value, {os.getpid()}, {now} FROM json_each(?)", str(claimed))
        return claimed

    def finish(self, ids: Sequence[int]) -> None:
        self._change(
            f"UPDATE work SET done = {time.time()} WHERE id IN (SELECT value FROM json_each(?))", str(ids)
        )

    def done(self) -> list[int]:
        return self._ids("SELECT id FROM work WHERE done IS NOT NULL ORDER BY id")

    def runs(self) -> list[tuple[int, int, float]]:
        """All runs as (id, process, moment)."""
        with closing(self._open()) as db:
            return db.execute("SELECT id, pid, started FROM run ORDER BY started, id").fetchall()

    async def until_done(self, ids: Iterable[int], seconds: float) -> None:
        wanted = set(ids)
        await until(lambda: wanted <= set(self.done()), seconds)

    async def until_run(self, number: int, seconds: float) -> tuple[int, int, float]:
        """Wait until some process has begun with an id."""
        await until(lambda: any(run[0] == number for run in self.runs()), seconds)
        return next(run for run in self.runs() if run[0] == number)

    def job(self, *, seconds: float = 0.0, lease: float = 1.0, batch: int = 10, swept: bool = True) -> Job:
        """The job that takes ``seconds`` for a batch; if not ``swept``, only wake-ups bring it work."""

        async def run(ids: Sequence[int]) -> None:
            claimed = self.claim(ids, lease)
            if claimed:
                await asyncio.sleep(seconds)
            self.finish(claimed)

        async def due() -> Sequence[int]:
            return self.due(lease) if swept else []

        return Job(JOB, run, due, batch=batch)

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=10, isolation_level=None)

    def _change(self, statement: str, *values: object) -> None:
        with closing(self._open()) as db:
            db.execute(statement, values)

    def _ids(self, statement: str, *values: object) -> list[int]:
        with closing(self._open()) as db:
            return [row[0] for row in db.execute(statement, values)]
