"""The floor of an ingest, as a program of its own: checksum every file once, then insert all rows bare.

    python bare_ingest.py FOLDER SOURCE TARGET

SOURCE is a catalogue that has the rows, TARGET one of the same schema without any: SQLite files, or URLs of
PostgreSQL databases. It prints the seconds that it took to fetch the rows, which is no part of the floor.
"""

import sys
import time
import zlib
from hashlib import md5, sha256
from pathlib import Path

PIECE = 2**20
TABLES = ("archive_frame", "archive_version", "archive_document")


def checksum(path: Path) -> tuple[int, str, str]:
    """Read a file once and take its CRC-32, MD5 and SHA-256."""
    crc, sums = 0, (md5(usedforsecurity=False), sha256())
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE):
            crc = zlib.crc32(piece, crc)
            for one in sums:
                one.update(piece)
    return crc, sums[0].hexdigest(), sums[1].hexdigest()


def copy_sqlite(source: str, target: str) -> float:
    """Insert the rows in one transaction; gives the seconds that fetching them took."""
    import sqlite3

    began = time.perf_counter()
    with sqlite3.connect(source) as connection:
        tables = [(name, connection.execute(f"SELECT * FROM {name}").fetchall()) for name in TABLES]
    fetched = time.perf_counter() - began
    connection = sqlite3.connect(target, isolation_level=None)
    for pragma in ("synchronous = FULL", "foreign_keys = ON", "cache_size = -65536"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN IMMEDIATE")
    for name, rows in tables:
        connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    connection.execute("COMMIT")
    connection.close()
    return fetched


def copy_postgresql(source: str, target: str) -> float:
    """Insert the rows in one transaction; gives the seconds that fetching them took."""
    import asyncio

    import asyncpg

    async def copy() -> float:
        began = time.perf_counter()
        connection = await asyncpg.connect(source)
        tables = [
            (name, [tuple(row) for row in await connection.fetch(f"SELECT * FROM {name}")]) for name in TABLES
        ]
        await connection.close()
        fetched = time.perf_counter() - began
        connection = await asyncpg.connect(target)
        async with connection.transaction():
            for name, rows in tables:
                marks = ", ".join(f"${place}" for place in range(1, len(rows[0]) + 1))
                await connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
        await connection.close()
        return fetched

    return asyncio.run(copy())


def main() -> None:
    """Do what the command line asks for."""
    folder, source, target = sys.argv[1:]
    for path in sorted(Path(folder).iterdir()):
        checksum(path)
    copy = copy_postgresql if "://" in source else copy_sqlite
    print(copy(source, target))


if __name__ == "__main__":
    main()
