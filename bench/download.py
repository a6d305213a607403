"""Downloading a large file from the folder store, beside a bare sendfile server."""

import hashlib
import json
import os
import secrets
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from catalogues import Catalogue
from client import Connection, request_bytes
from entrepot.modules.archive.service.filing import shared_path
from figures import note, say
from operations import People
from serving import Server, stop
from sky_survey import EXTENSION, posted_body

LEAST_SHARE = 0.7
MOST_GROWTH = 64 * 2**20
"""Bytes that the server's resident memory may grow by: far less than the file, whatever its size."""
PIECE = 2**20
CHECK_LIMIT = 300.0


def measure_download(catalogue: Catalogue, server: Server, people: People, *, size: int, turns: int) -> None:
    """File a frame of ``size`` bytes, download it through the service and from a bare server in turns."""
    target, path = _file_frame(catalogue, server, people, size)
    request = request_bytes("GET", target, people.operator)
    try:
        with _sendfile_server(path) as bare, Connection(bare) as plain, Connection(server.url) as ours:
            before = server.resident()
            with _watched(server) as peak:
                took: dict[Connection, list[float]] = {plain: [], ours: []}
                for turn in range(turns + 1):
                    for connection, seconds in took.items():
                        one = connection.seconds(request)
                        if turn:
                            seconds.append(one)
    finally:
        path.unlink()
    _say(catalogue, size, took[ours], took[plain], before, peak[0], server.resident())


def _say(
    catalogue: Catalogue,
    size: int,
    ours: list[float],
    plain: list[float],
    before: int,
    peak: int,
    after: int,
) -> None:
    share = statistics.median(plain) / statistics.median(ours)
    say(
        database=catalogue.kind,
        operation="download",
        bytes=size,
        samples=len(ours),
        rate_mb_s=size / statistics.median(ours) / 1e6,
        sendfile_mb_s=size / statistics.median(plain) / 1e6,
        share=share,
        least_share=LEAST_SHARE,
        resident_before_mb=before / 1e6,
        resident_peak_mb=peak / 1e6,
        resident_after_mb=after / 1e6,
        most_growth_mb=MOST_GROWTH / 1e6,
        met=share >= LEAST_SHARE and peak - before <= MOST_GROWTH,
    )


def _file_frame(catalogue: Catalogue, server: Server, people: People, size: int) -> tuple[str, Path]:
    """Put a file into the store and post its frame, as the old client does; wait for the checksum job."""
    made = catalogue.survey.frame(1, catalogue.survey.last)
    made = replace(made, basename=f"large-{secrets.token_hex(6)}", reduction_level=0)
    path = catalogue.folder / "files" / shared_path(made, EXTENSION)
    note(f"writing a file of {size / 1e6:.0f} MB")
    md5 = _write(path, size)
    with Connection(server.url) as connection:
        body = posted_body(made, md5)
        _ask(connection, request_bytes("POST", "/archive/frames/", people.operator, body))
        wanted = request_bytes("GET", f"/archive/versions/?md5={md5}", people.operator)
        end = time.monotonic() + CHECK_LIMIT
        while time.monotonic() < end:
            (version,) = _ask(connection, wanted)["results"]
            if version["state"] == "checked":
                return version["url"].removeprefix(server.url), path
            time.sleep(0.2)
    raise RuntimeError(f"the checksum job left the file {version['state']}")


def _ask(connection: Connection, request: bytes) -> Any:
    status, body = connection.body(request)
    if status not in (200, 201):
        raise RuntimeError(f"answered {status}: {body[:500]!r}")
    return json.loads(body)


def _write(path: Path, size: int) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    md5, noise = hashlib.md5(), os.urandom(PIECE)
    with path.open("wb") as file:
        for start in range(0, size, PIECE):
            piece = (start.to_bytes(8, "big") + noise)[: min(PIECE, size - start)]
            md5.update(piece)
            file.write(piece)
    return md5.hexdigest()


@contextmanager
def _sendfile_server(path: Path) -> Iterator[str]:
    command = [sys.executable, str(Path(__file__).with_name("sendfile_server.py")), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            stop(process)


@contextmanager
def _watched(server: Server) -> Iterator[list[int]]:
    """Give a list whose only item is the most memory that the server has had resident."""
    peak, done = [0], threading.Event()
    family = server.family()

    def watch() -> None:
        while not done.wait(0.05):
            peak[0] = max(peak[0], resident(family))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def resident(family: list[psutil.Process]) -> int:
    """Add up the resident memory of processes in bytes."""
    return sum(one.memory_info().rss for one in family)
