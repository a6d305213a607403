"""Uploads to a running server, as clients and networks really behave."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.modules.archive.ingest_cli.holdings import objects_of
from tests.modules.archive.uploads import fits
from tests.services.house import House, Server

LARGE = 30_000_000
KILLED = 10_000_000


class Client:
    """Somebody of staff, and the bare connection that he uploads by."""

    def __init__(self, house: House, server: Server, token: str) -> None:
        self.house = house
        self.server = server
        self.headers = {"Authorization": f"Token {token}"}

    def put(self, name: str, content: bytes, **more: Any) -> httpx.Response:
        url = f"{self.server.url}/archive/upload/{name}"
        return httpx.put(url, content=content, headers=self.headers, timeout=60, **more)

    @contextmanager
    def sending(self, name: str, *headers: str) -> Iterator[socket.socket]:
        """Send the head of an upload."""
        address = urlsplit(self.server.url)
        head = [f"PUT /archive/upload/{name} HTTP/1.1", "Host: archive.test", *headers]
        head += [f"{key}: {value}" for key, value in self.headers.items()]
        with closing(socket.create_connection((address.hostname, address.port), timeout=30)) as line:
            line.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
            yield line

    def spooled(self) -> list[Path]:
        return list((self.house.data_dir / "spool").glob("*"))

    def wait_for_spooled(self, count: int) -> None:
        end = time.monotonic() + 20
        while len(self.spooled()) != count:
            assert time.monotonic() < end, self.spooled()
            time.sleep(0.02)

    def versions(self) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.server.url}/archive/versions/?limit=1000", headers=self.headers)
        return answer.json()["results"]

    def download(self, frame: dict[str, Any]) -> bytes:
        return httpx.get(frame["version_set"][0]["url"], headers=self.headers, timeout=60).content


def answered(line: socket.socket) -> tuple[int, Any]:
    """Read an answer."""
    answer = http.client.HTTPResponse(line)
    answer.begin()
    return answer.status, json.loads(answer.read())


def peak(server: Server) -> int:
    """Give the most memory in bytes that one of the server's processes has ever taken."""
    found = [0]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            status = (process / "status").read_text()
            group = int((process / "stat").read_text().rpartition(")")[2].split()[2])
        except OSError:
            continue
        if group == server.process.pid and "VmHWM:" in status:
            found.append(int(status.split("VmHWM:")[1].split()[0]) * 1024)
    return max(found)


@pytest.fixture
def client(house: House) -> Iterator[Client]:
    token = house.token("operator", "staff")
    with house.serve(
        ENTREPOT_ARCHIVE_UPLOAD_STALL="1", ENTREPOT_ARCHIVE_REDIRECT_DOWNLOADS="false"
    ) as server:
        yield Client(house, server, token)


def test_how_clients_and_networks_behave(client: Client) -> None:
    _large_files_take_no_memory(client)
    _clients_that_ask_before_they_send(client)
    _lines_that_break(client)
    assert client.spooled() == []
    assert len(client.versions()) == len(objects_of(client.house)) == 3


def _large_files_take_no_memory(client: Client) -> None:
    small = client.put("small.fits", fits())
    assert small.status_code == 201, small.text
    before, content = peak(client.server), fits(LARGE)
    answer = client.put("large.fits", content)
    assert answer.status_code == 201, answer.text
    if "ENTREPOT_STORE_URL" not in client.house.environ:
        assert peak(client.server) - before < LARGE // 2
    assert client.download(answer.json()) == content


def _clients_that_ask_before_they_send(client: Client) -> None:
    content = fits()
    asking = ("Expect: 100-continue", f"Content-Length: {len(content)}")
    with client.sending("asked.fits", *asking) as line:
        assert line.recv(1000).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        line.sendall(content)
        status, frame = answered(line)
        assert (status, frame["basename"]) == (201, "asked")
    for name, more, refused in [
        ("no.exe", (), 400),
        ("x.fits", ("Content-MD5: x",), 400),
        ("x.fits", ("Content-Encoding: gzip",), 415),
    ]:
        with client.sending(name, *asking, *more) as line:
            assert answered(line)[0] == refused
    for length, refused in ((10**12, 413), (2**60, 413)):
        with client.sending("x.fits", "Expect: 100-continue", f"Content-Length: {length}") as line:
            assert answered(line)[0] == refused


def _lines_that_break(client: Client) -> None:
    content = fits(3_000_000)
    chunk = f"{len(content):x}\r\n".encode() + content
    for headers, sent in [
        (f"Content-Length: {len(content)}", content[:2_000_000]),
        ("Transfer-Encoding: chunked", chunk + b"\r\n"),
        ("Transfer-Encoding: chunked", chunk[:2_000_000]),
    ]:
        with client.sending("cut.fits", headers) as line:
            line.sendall(sent)
            client.wait_for_spooled(1)
        client.wait_for_spooled(0)
    with client.sending("cut.fits", "Transfer-Encoding: chunked") as line:
        line.sendall(chunk + b"\r\nzz\r\n\r\n")
        assert answered(line)[0] == 400
    with client.sending("stalled.fits", f"Content-Length: {len(content)}") as line:
        line.sendall(content[:100_000])
        status, said = answered(line)
        assert (status, "1 s" in said["detail"]) == (408, True)


@pytest.mark.slow
def test_killed_at_any_moment_and_sent_again(house: House) -> None:
    token = house.token("operator", "staff")
    contents: list[bytes] = []
    for share, delay in ((0.5, 0.0), (1.0, 0.02), (1.0, 0.15)):
        with house.serve() as server:
            client = Client(house, server, token)
            _send_the_last_again(client, contents)
            contents.append(fits(KILLED))
            with client.sending("large.fits", f"Content-Length: {len(contents[-1])}") as line:
                line.sendall(contents[-1][: int(share * KILLED)])
                if share < 1:
                    client.wait_for_spooled(1)
                time.sleep(delay)
                server.kill()
        if share < 1:
            assert len(client.spooled()) == 1
            assert objects_of(house) == []
    with house.serve() as server:
        _send_the_last_again(Client(house, server, token), contents)


def _send_the_last_again(client: Client, contents: list[bytes]) -> None:
    """Send what may have been filed or not when the server was killed, and see that it is filed once."""
    if not contents:
        return
    is_filed = len(client.versions()) == len(contents)
    answer = client.put("large.fits", contents[-1])
    assert answer.status_code == (400 if is_filed else 201), answer.text
    frame = httpx.get(answer.headers["location"], headers=client.headers).json()
    assert client.download(frame) == contents[-1]
    assert len(frame["version_set"]) == len(client.versions()) == len(contents)
    assert client.spooled() == []
    assert len(set(objects_of(client.house))) == len(contents)
