"""An S3 server for tests: moto's, in a process of its own on a free port."""

import contextlib
import http.client
import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.services.missing import missing

LIMIT = 60.0
ATTEMPTS = 3


def running_moto() -> Iterator[str]:
    """Yield the endpoint of a server that is stopped afterwards; its buckets are its own.

    Without moto the test is skipped, or fails where ENTREPOT_TEST_REQUIRE is ``all``.
    """
    if importlib.util.find_spec("moto") is None:
        missing("moto isn't installed: pip install 'moto[server]'")
    server, port = _start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _start() -> tuple[subprocess.Popen[bytes], int]:
    for _ in range(ATTEMPTS):  # somebody else may take the free port first
        port = _free_port()
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if _answers(server, port):
            return server, port
        server.kill()
        server.wait()
    pytest.fail("moto's server doesn't start")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _answers(server: subprocess.Popen[bytes], port: int) -> bool:
    end = time.monotonic() + LIMIT
    while server.poll() is None and time.monotonic() < end:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            try:
                connection.request("GET", "/moto-api/data.json")
                return connection.getresponse().status == 200 and server.poll() is None
            except OSError:
                time.sleep(0.1)
    return False
