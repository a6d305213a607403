"""The service as its own process with one worker, as an operator starts it."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from client import Connection, request_bytes

START_LIMIT = 120.0
STOP_LIMIT = 30.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    url: str
    process: psutil.Process

    def resident(self) -> int:
        """Give the resident memory in bytes of the server and its worker together."""
        return sum(one.memory_info().rss for one in self.family())

    def family(self) -> list[psutil.Process]:
        """Give the processes of the server."""
        return [self.process, *self.process.children(recursive=True)]


def process_environ(settings: Mapping[str, str]) -> dict[str, str]:
    """Give the environment of a process that is to have just these settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ENTREPOT_")}
    return kept | dict(settings)


@contextlib.contextmanager
def serving(settings: Mapping[str, str], log: Path) -> Iterator[Server]:
    """Run ``entrepot serve --workers 1``; its log lines go to a file."""
    port = _free_port()
    command = [sys.executable, "-m", "entrepot.cli", "serve", "--port", str(port), "--workers", "1"]
    with log.open("ab") as lines:
        process = subprocess.Popen(
            command, env=process_environ(settings), stdout=subprocess.DEVNULL, stderr=lines
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, process)
        yield Server(url, psutil.Process(process.pid))
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started here."""
    process.terminate()
    try:
        process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_LIMIT
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError, RuntimeError), Connection(url) as connection:
            if connection.body(request_bytes("GET", "/health"))[0] == 200:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the server at {url} doesn't answer (exit status {process.poll()})")
