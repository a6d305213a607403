"""``entrepot serve``: the server processes, from the checks before to the line that says it answers."""

from __future__ import annotations

import asyncio
import errno
import gc
import http.client
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from granian.constants import HTTPModes, Interfaces, RuntimeModes
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import MPServer

from entrepot.app import create_app
from entrepot.kernel.db import Database, prepare
from entrepot.kernel.errors import SettingsError, Unavailable
from entrepot.kernel.jobs import load_engine
from entrepot.kernel.logs import configure_logs, server_log_config
from entrepot.kernel.metrics import prepare_multiprocess
from entrepot.kernel.settings import KernelSettings
from entrepot.server_process import GRACE

__all__ = ["serve"]

TARGET = "entrepot.server_process:application"
BACKLOG = 2048
MOST_CONNECTIONS = 8192
"""Connections of one process, idle ones included; more wait in the backlog."""
IDLE_LIMIT = 75.0
"""Seconds that an idle connection stays open: longer than proxies keep theirs."""
STOP_LIMIT = GRACE + 9.0
"""Seconds from SIGTERM until a process that hangs is killed."""
START_LIMIT = 120.0
PORT_WAIT = 2.0
"""Seconds to wait for a port that a server which was killed is about to leave."""

log = structlog.stdlib.get_logger(__name__)

Address = tuple[socket.AddressFamily, str, int]


def serve(settings: KernelSettings, *, workers: int) -> int:
    """Run the service with ``workers`` processes until SIGTERM or SIGINT; gives the exit code.

    Raises SettingsError and Unavailable for what can be found out before.
    """
    configure_logs(settings.log_format, settings.log_level)
    files = _raise_file_limit()
    database = Database(settings.catalogue_url, pool=2)
    settings.signing_key()
    address = _resolve(settings.host, settings.port)
    with _sole_use(address), TemporaryDirectory(prefix="entrepot-metrics-") as folder:
        asyncio.run(_prepare(database))
        _load(settings)
        # The server processes read the environment: what the command line said has to be in it.
        os.environ["ENTREPOT_HOST"], os.environ["ENTREPOT_PORT"] = settings.host, str(settings.port)
        if workers > 1:
            prepare_multiprocess(Path(folder))
        return _run(_server(address, workers, connections=min(files // 2, MOST_CONNECTIONS)), settings)


def _load(settings: KernelSettings) -> None:
    """Load all that serving needs, so that the server processes share its memory and start at once."""
    load_engine()
    create_app(settings)
    gc.freeze()


async def _prepare(database: Database) -> None:
    try:
        await prepare(database)
    finally:
        await database.close()


def _server(address: Address, workers: int, *, connections: int) -> MPServer:
    _, host, port = address
    return MPServer(
        TARGET,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        factory=True,
        workers=workers,
        runtime_mode=RuntimeModes.mt,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(keep_alive=True, header_read_timeout=int(IDLE_LIMIT * 1000)),
        websockets=False,
        backlog=BACKLOG,
        backpressure=connections,
        log_level=LogLevels.warning,
        log_dictconfig=server_log_config(),
        respawn_failed_workers=False,
        respawn_interval=0.5,
        workers_kill_timeout=int(STOP_LIMIT),
    )


def _run(server: MPServer, settings: KernelSettings) -> int:
    start = _Start(server, settings)
    server.on_startup(start.watch)
    try:
        server.serve()
    except SystemExit:
        log.debug("the server stopped because a process of it failed")
    if start.too_slow:
        log.error("the service didn't answer in time and was stopped", seconds=START_LIMIT)
        return 1
    if server.interrupt_signal:
        return 0
    log.error("a server process keeps failing" if start.answered else "the service could not start")
    return 1


class _Start:
    """Waits for the first answer, says so, and from then on has dead processes replaced."""

    def __init__(self, server: MPServer, settings: KernelSettings) -> None:
        self.answered = False
        self.too_slow = False
        self._server = server
        self._host, self._port = settings.host, settings.port

    def watch(self) -> None:
        """Begin to wait, in a thread of its own."""
        threading.Thread(target=self._wait, daemon=True, name="start").start()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_LIMIT
        while not self._answers():
            if time.monotonic() > deadline:
                self.too_slow = True
                os.kill(os.getpid(), signal.SIGTERM)
                return
            time.sleep(0.05)
        self.answered = True
        # Before the first answer a process that dies means that the next would die too.
        self._server.respawn_failed_workers = True
        host = f"[{self._host}]" if ":" in self._host else self._host
        sys.stdout.write(f"Entrepôt answers at http://{host}:{self._port} (docs at /docs)\n")
        sys.stdout.flush()

    def _answers(self) -> bool:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104 - no bind
        connection = http.client.HTTPConnection(host, self._port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _raise_file_limit() -> int:
    """Allow as many open files as the system lets us, and tell how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # macOS promises more than it gives
            return soft
    return hard if hard != resource.RLIM_INFINITY else 2 * MOST_CONNECTIONS


def _resolve(host: str, port: int) -> Address:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise _no_address(host) from error
    return found[0][0], str(found[0][4][0]), port


def _no_address(host: str) -> SettingsError:
    return SettingsError(
        f"{host} is not an address of this machine; choose another with --host.", where="ENTREPOT_HOST"
    )


@contextmanager
def _sole_use(address: Address) -> Generator[None]:
    """Insist on a port that nobody listens on; raises Unavailable and SettingsError.

    The server's own sockets would share it silently, so of two that start at the same moment the one
    that has the lock goes on.
    """
    with socket.socket(socket.AF_UNIX) as lock:
        deadline = time.monotonic() + PORT_WAIT
        while not (_locked(lock, address) and _free(address)):
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"Port {address[2]} of {address[1]} is in use; choose another with --port.",
                    where="ENTREPOT_PORT",
                )
            time.sleep(0.1)
        yield


def _locked(lock: socket.socket, address: Address) -> bool:
    if sys.platform != "linux" or lock.getsockname():
        return True
    try:
        lock.bind(f"\0entrepot {address[1]} {address[2]}")
    except OSError:
        return False
    return True


def _free(address: Address) -> bool:
    family, host, port = address
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            if error.errno == errno.EACCES:
                raise Unavailable(
                    f"Port {port} is for root alone; choose one from 1024 on with --port.",
                    where="ENTREPOT_PORT",
                ) from error
            raise _no_address(host) from error
    return True
