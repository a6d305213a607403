"""The edge behind the real server: what it does to paths, files and clients that go away."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from entrepot.kernel.web import PIECE

SIZE = 20 * PIECE + 12345


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("served") / "content"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture(scope="module")
def served(content) -> Iterator[tuple[int, Path]]:
    """Serve on a free port; give the port and the file with the server's log."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "ENTREPOT_TEST_FILE": str(content),
    }
    log = content.with_name("log")
    command = [
        sys.executable,
        "-m",
        "granian",
        "--interface",
        "asgi",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    command += ["--factory", "--working-dir", str(Path(__file__).parent), "--no-ws", "served_app:build"]
    with log.open("wb") as output:
        server = subprocess.Popen(command, env=environ, stdout=output, stderr=output)
    try:
        for _ in range(200):
            if _answers(port):
                break
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
        yield port, log
    finally:
        server.terminate()
        server.wait(timeout=20)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/given").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def asks(served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{served[0]}", timeout=30) as client:
        yield client


@pytest.fixture
def raw(served) -> Callable[[bytes], tuple[int, bytes]]:
    """Send bytes as they are; give status and body."""

    def send(request: bytes) -> tuple[int, bytes]:
        with socket.create_connection(("127.0.0.1", served[0]), timeout=10) as connection:
            connection.sendall(request)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    return send


@pytest.mark.parametrize(
    ("target", "key"),
    [
        (b"/items/plain/", "plain"),
        (b"/items/a%2Fb/", "a/b"),
        (b"/items/a%2fb%252F/", "a/b%2F"),
        (b"/items/%C3%A9t\xc3\xa9/", "été"),
        (b"/items/%2e%2E/", ".."),
        (b"/%69tems/plain/", "plain"),
        (b"http://127.0.0.1/items/a%2Fb/?x=1", "a/b"),
        (b"HTTP://elsewhere.example:81/items/x/", "x"),
    ],
)
def test_targets(raw, target, key) -> None:
    status, body = raw(b"GET " + target + b" HTTP/1.1\r\nHost: h.example\r\nConnection: close\r\n\r\n")
    assert status == 200
    told = json.loads(body)
    assert told["key"] == key
    assert told["base"] == "http://h.example"
    assert told["client"] == "127.0.0.1"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /items/%zz/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        b"GET /items/%00/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        b"GET /items/%ff/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        b"GET /items/\xff/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        b"GET /items/a\x01/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        b"GET /items/a/ HTTP/1.1\r\nHost: <b>\r\nConnection: close\r\n\r\n",
        b"GET /items/a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
    ],
)
def test_bad_requests(raw, request_) -> None:
    status, body = raw(request_)
    assert status == 400
    assert b"<b>" not in body


def test_without_host_the_base_is_the_server(raw, served) -> None:
    status, body = raw(b"GET /items/a/ HTTP/1.0\r\n\r\n")
    assert (status, json.loads(body)["base"]) == (200, f"http://127.0.0.1:{served[0]}")


def test_download_is_identical(asks, content) -> None:
    answer = asks.get("/file")
    assert answer.status_code == 200
    assert answer.headers["content-length"] == str(SIZE)
    assert answer.content == content.read_bytes()
    assert asks.get("/given").status_code == 200  # the connection is still good


def test_head(asks) -> None:
    answer = asks.head("/file")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(SIZE)
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"] == '"v1"'


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        (f"bytes={PIECE - 1}-{3 * PIECE}", PIECE - 1, 3 * PIECE + 1),
        ("bytes=-12345", SIZE - 12345, SIZE),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
    ],
)
def test_ranges(asks, content, asked, start, stop) -> None:
    answer = asks.get("/file", headers={"Range": asked, "If-Range": '"v1"'})
    assert answer.status_code == 206
    assert answer.content == content.read_bytes()[start:stop]


def test_multipart(asks, content) -> None:
    answer = asks.get("/file", headers={"Range": f"bytes=0-9,{PIECE}-{3 * PIECE}"})
    assert answer.status_code == 206
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert content.read_bytes()[PIECE : 3 * PIECE + 1] in answer.content


def test_another_version_is_sent_whole(asks) -> None:
    answer = asks.get("/file", headers={"Range": "bytes=0-9", "If-Range": '"v0"'})
    assert (answer.status_code, len(answer.content)) == (200, SIZE)


def test_outside_and_unchanged(asks) -> None:
    assert asks.get("/file", headers={"Range": f"bytes={SIZE}-"}).status_code == 416
    answer = asks.get("/file", headers={"If-None-Match": '"v1"'})
    assert (answer.status_code, answer.content) == (304, b"")


def test_producer_stops_when_the_client_goes_away(served, asks) -> None:
    with socket.create_connection(("127.0.0.1", served[0]), timeout=10) as connection:
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b"200 OK" in connection.recv(65536)
        assert asks.get("/given").json()["closed"] is False
    for _ in range(100):
        given = asks.get("/given").json()
        if given["closed"]:
            break
        time.sleep(0.05)
    assert given["closed"] is True
    assert asks.get("/given").json() == given


def test_a_stream_that_fails_breaks_the_connection(asks, served) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        asks.get("/breaks")
    assert "Traceback" in served[1].read_text()


def test_no_traceback_and_structured_lines(asks, served) -> None:
    answer = asks.get("/broken", headers={"X-Request-ID": "look-for-me"})
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    for _ in range(100):  # the line about the request is written after its answer
        lines = [json.loads(line) for line in served[1].read_text().splitlines() if line.startswith("{")]
        mine = [line for line in lines if line.get("request_id") == "look-for-me"]
        if len(mine) > 1:
            break
        asks.get("/broken")
    assert [line["event"] for line in mine] == ["request failed", "request"]
    assert "RuntimeError: hunter2" in mine[0]["exception"]
    assert not [line for line in served[1].read_text().splitlines() if line.startswith("Traceback")]


def test_body_limit(asks) -> None:
    assert asks.post("/take", content=b"x" * 1000).json() == 1000
    assert asks.post("/take", content=b"x" * 1001).status_code == 413
    assert asks.post("/take", content=iter([b"x" * 600, b"x" * 600])).status_code == 413
    assert asks.post("/take", content=b"x" * 3_000_000).status_code == 413
