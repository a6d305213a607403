"""A server that is killed while it files many frames: the stream is sent again until it is through."""

import contextlib
import json
import random
import threading
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.modules.archive.bulk_door import BULK, NDJSON, Found, lines_of, plain, stream
from tests.modules.archive.door import VERSIONS
from tests.services.house import House, Server

pytestmark = pytest.mark.slow

LINES = 3000


def test_a_killed_server_loses_no_line_and_files_none_twice(house: House, tmp_path: Path) -> None:
    token = house.token("operator", role="staff")
    name, chance = "killed", random.Random(3)
    bodies = stream(name, LINES)
    body = lines_of(bodies)
    answered: dict[int, Found] = {}
    for kill_after in (chance.randrange(200, 900), chance.randrange(1000, 2000), None):
        with house.serve(log=tmp_path / "log", ENTREPOT_JOBS_SWEEP="3600") as server:
            results = _until_killed(server, token, name, body, kill_after)
        for one in results:
            assert answered.setdefault(one["line"], plain(one)) == plain(one)
    assert [one["line"] for one in results] == list(range(1, LINES + 1))
    with house.serve(log=tmp_path / "log", ENTREPOT_JOBS_SWEEP="3600") as server:
        assert all("repeated" in one for one in _exchanged(server.url, token, name, body))
        count = _versions(server.url, token)
    assert count == sum(len(body["version_set"]) for body in bodies if body["site_id"] != "too long") == 600
    assert sum(one["status"] == 201 for one in results) == LINES * 9 // 10


def _until_killed(server: Server, token: str, key: str, body: bytes, kill_after: int | None) -> list[Found]:
    """Send a stream and kill the server when so many results have come."""
    results: list[Found] = []
    with contextlib.suppress(OSError, HTTPException, json.JSONDecodeError):
        for one in _exchanged(server.url, token, key, body):
            results.append(one)
            if len(results) == kill_after:
                server.kill()
    assert kill_after is None or kill_after <= len(results) < LINES
    return results


def _versions(url: str, token: str) -> int:
    """Count the versions in the catalogue."""
    host = urlsplit(url)
    with contextlib.closing(HTTPConnection(host.hostname or "", host.port, timeout=30)) as connection:
        connection.request("GET", f"{VERSIONS}?limit=1", headers={"Authorization": f"Token {token}"})
        return json.loads(connection.getresponse().read())["count"]


def _exchanged(url: str, token: str, key: str, body: bytes) -> Iterator[Found]:
    """Send a stream while its results are read."""
    host = urlsplit(url)
    connection = HTTPConnection(host.hostname or "", host.port, timeout=60)
    connection.putrequest("POST", BULK)
    headers = {"Authorization": f"Token {token}", "Idempotency-Key": key, "Content-Length": str(len(body))}
    for header, value in (headers | NDJSON).items():
        connection.putheader(header, value)
    connection.endheaders()

    def send() -> None:
        with contextlib.suppress(OSError):
            connection.sock.sendall(body)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        answer = connection.getresponse()
        assert answer.status == 200
        while line := answer.readline():
            yield json.loads(line.replace(url.encode(), b""))
    finally:
        connection.close()
        sender.join()
