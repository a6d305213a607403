"""What the archive's main operations cost beside their floor; prints JSON lines.

The floor of an operation is the p50 of /health plus the p50 of the operation's own statements
(authentication, BEGIN and COMMIT included) replayed through the bare driver, in the same run.
Exit status 1: a bound isn't met.
"""

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Coroutine, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from arrivals import measure_bulk, measure_ingests
from catalogues import Catalogue, catalogue
from download import measure_download
from entrepot.kernel.logs import configure_logs
from figures import Bound, failures, note, say, say_operation
from floor import watched_service
from operations import Maker, Operation, People, delete_frames, make_people
from serving import serving
from turns import WARM_UP, measure

T = TypeVar("T")

KINDS = ("sqlite", "postgresql")
OPERATIONS = ("list", "detail", "point", "cone", "crowd", "post", "bulk", "ingest", "download")
BOUNDS = {
    "list": Bound(2.0, 4),
    "detail": Bound(2.0),
    "point": Bound(2.0),
    "cone": Bound(2.0),
    "post": Bound(2.5, 8),
}
"""What the project promises; an operation without a bound is there for information."""
FULL, QUICK = 300, 100
"""Turns in which an operation is measured."""
LARGE_FILE = 2**30
FILES = 2000
INGESTS = 3
BULK, BULKS = 1000, 3
DATA = Path("bench-data")


def main() -> int:
    """Measure what the command line asks for."""
    chosen = _arguments()
    configure_logs("console", "warning")
    _say_machine()
    kinds = KINDS if chosen.database == "both" else (chosen.database,)
    if "ingest" in chosen.only:
        measure_ingests(kinds, DATA, files=FILES // 10 if chosen.quick else FILES, turns=INGESTS)
    if set(chosen.only) == {"ingest"}:
        return 1 if failures else 0
    for kind in kinds:
        note(f"{kind}: preparing {chosen.frames:,} frames")
        with catalogue(kind, chosen.frames, DATA, keep=chosen.keep) as filled:
            _measure(filled, chosen)
    return 1 if failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=None, help="how many frames (1,000,000; quick: 20,000)")
    parser.add_argument("--database", choices=(*KINDS, "both"), default="both")
    parser.add_argument("--only", type=_names, default=OPERATIONS, help=f"some of {','.join(OPERATIONS)}")
    parser.add_argument("--keep", action="store_true", help="keep the frames for the next run (./bench-data)")
    parser.add_argument("--quick", action="store_true", help="a small trial, whose figures prove nothing")
    chosen = parser.parse_args()
    chosen.frames = chosen.frames or (20_000 if chosen.quick else 1_000_000)
    return chosen


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(OPERATIONS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: known are {', '.join(OPERATIONS)}")
    return names


def _say_machine() -> None:
    packages = ("entrepot", "sqlalchemy", "aiosqlite", "asyncpg", "fastapi", "granian")
    say(
        bench="archive",
        cores=os.cpu_count(),
        load=os.getloadavg()[0],
        python=platform.python_version(),
        loop="uvloop" if find_spec("uvloop") else "asyncio",
        **{name: version(name) for name in packages},
    )


def _measure(filled: Catalogue, chosen: argparse.Namespace) -> None:
    turns = QUICK if chosen.quick else FULL
    people, operations, posted = run(_prepared(filled, chosen.only, turns))
    with serving(filled.environ, filled.folder / "server.log") as server:
        for operation in operations:
            note(f"{filled.kind}: measuring {operation.name}")
            found = run(measure(filled, server.url, operation, turns))
            say_operation(
                operation.name,
                found.operation,
                found.health,
                found.statements,
                statements=operation.statements,
                bound=BOUNDS.get(operation.name),
                database=filled.kind,
                frames=chosen.frames,
            )
        if "bulk" in chosen.only:
            frames = BULK // 5 if chosen.quick else BULK
            posted += measure_bulk(filled, server, people, frames=frames, turns=BULKS)
        if "download" in chosen.only:
            size = LARGE_FILE // 8 if chosen.quick else LARGE_FILE
            measure_download(filled, server, people, size=size, turns=5)
    if chosen.keep:
        run(_clean(filled, posted))


async def _prepared(
    filled: Catalogue, names: Sequence[str], turns: int
) -> tuple[People, list[Operation], list[str]]:
    """Make the operations with the service in this process, before the server starts."""
    async with watched_service(filled.environ) as service:
        people = await make_people(service.context.database)
        maker = Maker(filled.survey, service, people)
        operations = [one for name in names for one in await _operations(maker, name, turns)]
        return people, operations, maker.posted


async def _operations(maker: Maker, name: str, turns: int) -> list[Operation]:
    makers = {
        "list": maker.lists,
        "detail": maker.details,
        "point": maker.points,
        "cone": maker.cones,
        "crowd": maker.crowds,
    }
    if name in makers:
        return [await makers[name]()]
    if name == "post":
        return [await maker.posts(WARM_UP + turns, related=related) for related in (False, True)]
    return []


async def _clean(filled: Catalogue, posted: Sequence[str]) -> None:
    async with filled.opened() as database:
        await delete_frames(database, posted)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the event loop that the server takes, too."""
    if find_spec("uvloop"):
        import uvloop

        return uvloop.run(work)
    return asyncio.run(work)


if __name__ == "__main__":
    sys.exit(main())
