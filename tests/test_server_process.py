"""How a process of the server ends, with clients that stall and answers under way."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from starlette.types import Message, Receive, Scope, Send

from entrepot.server_process import ServerProcess
from tests.services.house import free_port

PIECE = bytes(2**20)
PIECES = 64
ROOT = Path(__file__).parents[1]


async def slow(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that sends more than a socket holds, or takes its time; says when it is shut down."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        Path(os.environ["ENTREPOT_TEST_SIGN"]).write_text("shut down")
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"].startswith("/after/"):
        await asyncio.sleep(float(scope["path"].removeprefix("/after/")))
    length = str(PIECES * len(PIECE)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    for number in range(PIECES):
        body: Message = {"type": "http.response.body", "body": PIECE, "more_body": number + 1 < PIECES}
        await send(body)


def application() -> ServerProcess:
    return ServerProcess(slow, grace=1.0)


class Slow:
    """The application, running in a server process."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.sign = folder / "sign"
        options = [
            "--interface",
            "asgi",
            "--factory",
            "--no-log",
            "--http",
            "1",
            "--workers-kill-timeout",
            "15",
        ]
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "granian",
                *options,
                "--port",
                str(self.port),
                "tests.test_server_process:application",
            ],
            cwd=ROOT,
            env={**os.environ, "ENTREPOT_TEST_SIGN": str(self.sign)},
        )

    def get(self, path: str) -> socket.socket:
        """Send a request once the server is there, and read nothing."""
        deadline = time.monotonic() + 60
        while True:
            try:
                connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        return connection


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Slow]:
    server = Slow(tmp_path)
    yield server
    server.process.kill()
    server.process.wait()


def read_all(connection: socket.socket) -> int:
    """Read to the end; give the number of body bytes."""
    received = bytearray()
    with contextlib.suppress(ConnectionError), connection:
        while piece := connection.recv(2**20):
            received += piece
    return len(received.partition(b"\r\n\r\n")[2])


def test_an_answer_under_way_is_finished(server: Slow) -> None:
    connection = server.get("/after/0.5")
    time.sleep(0.2)
    server.process.terminate()
    assert read_all(connection) == PIECES * len(PIECE)
    assert server.process.wait(10) == 0
    assert server.sign.read_text() == "shut down"


@pytest.mark.parametrize("path", ["/", "/after/600"])
def test_a_client_that_stalls_keeps_no_process(server: Slow, path: str) -> None:
    connection = server.get(path)
    time.sleep(0.5)
    begun = time.monotonic()
    server.process.terminate()
    assert server.process.wait(10) == 0
    assert time.monotonic() - begun > 0.9
    assert server.sign.read_text() == "shut down"
    assert read_all(connection) < PIECES * len(PIECE)


def test_without_its_parent_a_process_ends(server: Slow) -> None:
    connection = server.get("/")
    (child,) = psutil.Process(server.process.pid).children()
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    gone, _ = psutil.wait_procs([child], timeout=10)
    assert gone == [child]
    connection.close()
