"""Frames on their way in: many in one request beside one by one, and files beside bare checksumming."""

import asyncio
import contextlib
import json
import os
import random
import secrets
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from catalogues import SERVER, Catalogue, on_server
from client import Connection, request_bytes
from entrepot.lib.fits.cards import BLOCK, Card, format_cards
from entrepot.modules.archive.tables import version
from figures import note, say
from operations import People
from serving import Server, process_environ
from sky_survey import posted_body

LEAST_FASTER = 5.0
"""Times that many frames in one request must be filed as fast as one by one."""
LEAST_SHARE = 0.5
"""Of the rate of bare checksumming plus bare bulk insert, what `entrepot ingest` must reach."""
PIXELS = 380
FILES_A_NIGHT = 500
CARDS = 60
INGEST_LIMIT = 600.0
JOBS_LIMIT = 300.0


# One request for many frames ------------------------------------------------------------------------


def measure_bulk(
    catalogue: Catalogue, server: Server, people: People, *, frames: int, turns: int
) -> list[str]:
    """File frames one by one and in one request in turns; gives the basenames of all of them."""
    filed: list[str] = []
    left = asyncio.run(_unchecked(catalogue))
    single: list[float] = []
    bulk: list[float] = []
    for turn in range(turns):
        note(f"{catalogue.kind}: filing 2 × {frames:,} frames, turn {turn + 1} of {turns}")
        for took, file_all in ((single, _one_by_one), (bulk, _in_one)):
            names, bodies = _bodies(catalogue, frames)
            filed += names
            asyncio.run(_idle(catalogue, left))
            took.append(file_all(server, people, bodies) / frames)
    faster = statistics.median(single) / statistics.median(bulk)
    say(
        database=catalogue.kind,
        operation="bulk",
        frames=catalogue.survey.frames,
        filed=frames,
        samples=turns,
        one_by_one_per_s=1 / statistics.median(single),
        bulk_per_s=1 / statistics.median(bulk),
        faster=faster,
        least_faster=LEAST_FASTER,
        met=faster >= LEAST_FASTER,
    )
    return filed


async def _unchecked(catalogue: Catalogue) -> int:
    """Count the versions whose files nobody has looked for; replays of posts leave some."""
    waiting = select(func.count()).select_from(version).where(version.c.state == "unchecked")
    async with catalogue.opened() as database, database.read() as session:
        return await session.scalar(waiting) or 0


async def _idle(catalogue: Catalogue, left: int) -> None:
    """Wait until the server has looked for the files of all frames that it filed."""
    end = time.monotonic() + JOBS_LIMIT
    while await _unchecked(catalogue) > left:
        if time.monotonic() > end:
            raise RuntimeError("the server doesn't come to the end of its checksum jobs")
        await asyncio.sleep(0.2)


def _bodies(catalogue: Catalogue, count: int) -> tuple[list[str], list[bytes]]:
    survey, run = catalogue.survey, secrets.token_hex(4)
    names: list[str] = []
    bodies: list[bytes] = []
    for place in range(count):
        made = survey.frame(survey.frames + place, survey.last + timedelta(seconds=place))
        names.append(f"{made.basename}-{run}")
        bodies.append(posted_body(replace(made, basename=names[-1]), secrets.token_hex(16)))
    return names, bodies


def _one_by_one(server: Server, people: People, bodies: Sequence[bytes]) -> float:
    with Connection(server.url) as connection:
        requests = [request_bytes("POST", "/archive/frames/", people.operator, body) for body in bodies]
        return sum(connection.seconds(request, 201) for request in requests)


def _in_one(server: Server, people: People, bodies: Sequence[bytes]) -> float:
    headers = {**people.operator, "Content-Type": "application/x-ndjson"}
    with httpx.Client(timeout=120) as client:
        began = time.perf_counter()
        answer = client.post(f"{server.url}/archive/frames/bulk", content=b"\n".join(bodies), headers=headers)
        took = time.perf_counter() - began
    statuses = {json.loads(line)["status"] for line in answer.text.splitlines()}
    if statuses != {201}:
        raise RuntimeError(f"the bulk call answered {statuses}: {answer.text[:300]}")
    return took


# Files ----------------------------------------------------------------------------------------------


def measure_ingests(kinds: Sequence[str], root: Path, *, files: int, turns: int) -> None:
    """Run `entrepot ingest` over small files, beside checksumming them and inserting their rows bare.

    Nothing is removed before the end: file systems pass over what was deleted a minute ago.
    """
    folder = root.absolute() / f"ingest-{secrets.token_hex(4)}"
    incoming = folder / "incoming"
    note(f"writing {files:,} FITS files")
    _write_files(incoming, files)
    try:
        for kind in kinds:
            note(f"{kind}: ingesting {files:,} files {turns} times")
            found = [_one_ingest(kind, folder / f"{kind}-{turn}", incoming) for turn in range(turns)]
            _say_ingest(kind, files, found)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _say_ingest(kind: str, files: int, found: Sequence[tuple[float, float]]) -> None:
    took, floor = (statistics.median(column) for column in zip(*found, strict=True))
    share = statistics.median(bare / whole for whole, bare in found)
    say(
        database=kind,
        operation="ingest",
        files=files,
        bytes_each=_size(),
        samples=len(found),
        files_per_s=files / took,
        floor_files_per_s=files / floor,
        share=share,
        least_share=LEAST_SHARE,
        met=share >= LEAST_SHARE,
    )


def _one_ingest(kind: str, folder: Path, incoming: Path) -> tuple[float, float]:
    """Give the seconds of an ingest into a new service, and those of its floor."""
    with _new_service(kind, folder / "ours") as ours, _new_service(kind, folder / "bare") as bare:
        _entrepot(ours, "migrate")
        _entrepot(bare, "migrate")
        os.sync()
        began = time.perf_counter()
        _entrepot(ours, "ingest", str(incoming))
        took = time.perf_counter() - began
        os.sync()
        return took, _bare(incoming, ours, bare)


def _bare(incoming: Path, ours: Mapping[str, str], bare: Mapping[str, str]) -> float:
    """Give the seconds of the floor, a process from its start to its end as the command is."""
    catalogues = [
        one.get("ENTREPOT_DATABASE_URL") or f"{one['ENTREPOT_DATA_DIR']}/catalogue.sqlite"
        for one in (ours, bare)
    ]
    program = Path(__file__).with_name("bare_ingest.py")
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, program, incoming, *catalogues], check=True, capture_output=True, text=True
    )
    return time.perf_counter() - began - float(done.stdout)


@contextlib.contextmanager
def _new_service(kind: str, folder: Path) -> Iterator[Mapping[str, str]]:
    """Give the settings of a service with nothing in it."""
    folder.mkdir(parents=True)
    name = f"entrepot_bench_{secrets.token_hex(6)}"
    url = make_url(SERVER).set(database=name).render_as_string(hide_password=False)
    settings = {"ENTREPOT_DATA_DIR": str(folder), "ENTREPOT_SECRET_KEY": "a key for benchmarks, long enough"}
    if kind == "sqlite":
        yield settings
        return
    asyncio.run(on_server(f'CREATE DATABASE "{name}" TEMPLATE template0'))
    try:
        yield settings | {"ENTREPOT_DATABASE_URL": url}
    finally:
        asyncio.run(on_server(f'DROP DATABASE "{name}" WITH (FORCE)'))


def _entrepot(settings: Mapping[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "entrepot.cli", *arguments]
    done = subprocess.run(
        command, env=process_environ(settings), capture_output=True, text=True, timeout=INGEST_LIMIT
    )
    if done.returncode:
        raise RuntimeError(f"entrepot {arguments[0]} failed: {done.stdout}{done.stderr}")


def _size() -> int:
    data = PIXELS * PIXELS * 2
    return -(-(CARDS + 1) * 80 // BLOCK) * BLOCK + -(-data // BLOCK) * BLOCK


def _write_files(folder: Path, count: int) -> None:
    """Write images of noise, each with a header of 60 cards and celestial coordinates."""
    folder.mkdir(parents=True)
    chance = random.Random(3)
    for number in range(count):
        data = chance.randbytes(PIXELS * PIXELS * 2)
        padded = data.ljust(-(-len(data) // BLOCK) * BLOCK, b"\0")
        name = f"ogg0m404-sq33-202503{number // FILES_A_NIGHT % 28 + 1:02}-{number:05}-e00.fits"
        (folder / name).write_bytes(format_cards(_cards(number, chance).items()) + padded)


def _cards(number: int, chance: random.Random) -> dict[str, Card]:
    day, minute = number // FILES_A_NIGHT % 28 + 1, number // 60 % 60
    cards: dict[str, Card] = {
        "SIMPLE": True, "BITPIX": 16, "NAXIS": 2, "NAXIS1": PIXELS, "NAXIS2": PIXELS, "BZERO": 32768.0,
        "PROPID": "ENT2025A-001", "DATE-OBS": f"2025-03-{day:02}T05:{minute:02}:{number % 60:02}.89",
        "DAY-OBS": f"202503{day:02}", "INSTRUME": "sq33", "SITEID": "ogg", "TELID": "0m4a",
        "OBSTYPE": "EXPOSE",
        "BLKUID": number + 1, "REQNUM": number // 10 + 1, "OBJECT": f"M {number % 110}", "EXPTIME": 30.0,
        "FILTER": "rp", "RLEVEL": 0, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN",
        "CRPIX1": 190.5, "CRPIX2": 190.5,
        "CRVAL1": chance.uniform(0, 360), "CRVAL2": chance.uniform(-80, 80), "CUNIT1": "deg", "CUNIT2": "deg",
        "CD1_1": -2e-4, "CD1_2": 1e-6, "CD2_1": 1e-6, "CD2_2": 2e-4, "RADESYS": "ICRS", "EQUINOX": 2000.0,
    }  # fmt: skip
    return cards | {f"SENSOR{place:02}": chance.uniform(0, 100) for place in range(CARDS - len(cards))}
