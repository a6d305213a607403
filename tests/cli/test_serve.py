"""``entrepot serve``: it says when it answers, stops when told, and refuses in a sentence."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from tests.services.house import free_port

PROGRAM = Path(sys.executable).with_name("entrepot")
LIMIT = 60.0


class Server:
    """A running ``entrepot serve``."""

    def __init__(
        self, environ: dict[str, str], folder: Path, *arguments: str, port: int | None = None
    ) -> None:
        self.port = port or free_port()
        self.log = folder / f"log-{self.port}-{os.urandom(4).hex()}"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "serve", "--port", str(self.port), *arguments],
                env=environ,
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def line(self) -> str:
        """Wait for the next line of standard output; empty at its end."""
        assert self.process.stdout
        return self.process.stdout.readline()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it and give the exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)

    def status(self, path: str = "/ready") -> int:
        """Ask for something on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().status

    def children(self) -> list[psutil.Process]:
        """Give the server's processes."""
        return psutil.Process(self.process.pid).children()


@pytest.fixture
def serve(cli, tmp_path: Path) -> Iterator:
    """Start servers on the test's settings; they are ended with the test."""
    started: list[Server] = []

    def start(*arguments: str, port: int | None = None, **more: str) -> Server:
        started.append(Server(cli.environ | more, tmp_path, *arguments, port=port))
        return started[-1]

    yield start
    for server in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
        if server.process.stdout:
            server.process.stdout.close()


def until(happens) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + LIMIT
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_line_says_that_it_answers_and_it_stops_when_told(serve, number: signal.Signals) -> None:
    server = serve()
    assert server.line() == f"Entrepôt answers at http://127.0.0.1:{server.port} (docs at /docs)\n"
    assert server.status() == 200
    begun = time.monotonic()
    assert server.stop(number) == 0
    assert time.monotonic() - begun < 8
    assert server.line() == ""
    assert "granian" not in server.log.read_text().lower()


def test_ctrl_c_reaches_all_processes_at_once_and_is_no_failure(serve) -> None:
    server = serve("--workers", "2")
    assert server.line()
    os.killpg(server.process.pid, signal.SIGINT)
    assert server.process.wait(20) == 0


def test_a_port_in_use_is_said(serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = serve(port=port)
        assert server.process.wait(LIMIT) == 1
    sentence = f"Port {port} of 127.0.0.1 is in use; choose another with --port.\n"
    assert (server.line(), server.log.read_text()) == ("", sentence)


def test_of_two_servers_on_one_port_one_goes_on(serve) -> None:
    port = free_port()
    pair = [serve(port=port), serve(port=port)]
    until(lambda: any(server.process.poll() is not None for server in pair))
    refused, running = sorted(pair, key=lambda server: server.process.poll() is None)
    assert refused.process.returncode == 1
    assert refused.log.read_text().startswith(f"Port {port} of 127.0.0.1 is in use")
    assert running.line().startswith("Entrepôt answers")
    assert running.status() == 200


def test_two_servers_make_one_catalogue_at_their_first_start(serve, cli) -> None:
    pair = [serve(), serve()]
    for server in pair:
        assert server.line().startswith("Entrepôt answers"), server.log.read_text()
        assert server.status() == 200
    assert cli("migrate", "--json").json()["found"] == "current"
    assert [server.stop() for server in pair] == [0, 0]


@pytest.mark.parametrize(
    ("arguments", "environ", "sentence"),
    [
        (
            ("--host", "192.0.2.1"),
            {},
            "192.0.2.1 is not an address of this machine; choose another with --host.",
        ),
        ((), {"ENTREPOT_DATABASE_URL": "postgresql://x@127.0.0.1:9/y"}, "ENTREPOT_SECRET_KEY is not set"),
    ],
)
def test_what_can_be_known_before_is_a_usage_error(serve, arguments, environ, sentence: str) -> None:
    server = serve(*arguments, **environ)
    assert server.process.wait(LIMIT) == 2
    assert server.line() == ""
    assert server.log.read_text().startswith(sentence)
    assert server.log.read_text().count("\n") == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_process_that_can_not_start_ends_the_service_with_the_reason(serve, workers: str) -> None:
    server = serve("--workers", workers, ENTREPOT_STORE_URL="ftp://files.example.org/")
    assert server.process.wait(LIMIT) == 1
    log = server.log.read_text()
    assert server.line() == ""
    assert "ENTREPOT_STORE_URL" in log
    assert "the service could not start" in log
    assert "Traceback" not in log


def test_a_process_that_dies_is_replaced(serve) -> None:
    server = serve("--workers", "2")
    assert server.line()
    until(lambda: len(server.children()) == 2)
    first, second = server.children()
    first.kill()
    until(lambda: len({child.pid for child in server.children()} - {first.pid, second.pid}) == 1)
    until(lambda: server.status("/health") == 200)
    assert server.process.poll() is None
    assert server.stop() == 0


def test_no_process_outlives_a_server_that_is_killed(serve) -> None:
    server = serve("--workers", "2")
    assert server.line()
    children = server.children()
    server.process.kill()
    server.process.wait()
    again = serve(port=server.port)
    assert again.line() == f"Entrepôt answers at http://127.0.0.1:{server.port} (docs at /docs)\n"
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert (len(gone), alive) == (len(children), [])


def test_the_secret_key_is_made_once_and_kept_from_others(serve, tmp_path: Path) -> None:
    key = tmp_path / "data" / "secret-key"
    keys = []
    for _ in range(2):
        server = serve()
        assert server.line()
        keys.append(key.read_text())
        assert server.stop() == 0
    assert keys[0] == keys[1]
    assert re.fullmatch("[0-9a-f]{64}", keys[0])
    assert key.stat().st_mode & 0o777 == 0o600


def test_an_address_of_all_interfaces_and_a_name_will_do(serve) -> None:
    for host in ("0.0.0.0", "localhost"):
        server = serve("--host", host)
        assert server.line() == f"Entrepôt answers at http://{host}:{server.port} (docs at /docs)\n"
        assert server.stop() == 0
