"""A whole Entrepôt for tests: its settings in either mode, in this process or as a server."""

import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from entrepot.app import create_app, load
from entrepot.kernel.context import ProcessContext
from entrepot.kernel.identity import Role, Scope, add_member, add_token, add_user

START_LIMIT = 60.0


@dataclass
class House:
    """The settings of one test's own service, as ``ENTREPOT_*`` variables."""

    environ: dict[str, str]

    @property
    def data_dir(self) -> Path:
        return Path(self.environ["ENTREPOT_DATA_DIR"])

    @contextlib.asynccontextmanager
    async def open(self, **more: str) -> AsyncIterator["OpenHouse"]:
        """Run the application in this process."""
        app = create_app(load(self.environ | more))
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://archive.test") as client:
                yield OpenHouse(client, app.state.context)

    def process_environ(self, **more: str) -> dict[str, str]:
        """Give the whole environment for a process of this house."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ENTREPOT_")}
        return kept | self.environ | more

    def command(
        self, *arguments: str, stdin: str = "", timeout: float = 120, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run ``entrepot …`` and give what it said."""
        return subprocess.run(
            [sys.executable, "-m", "entrepot.cli", *arguments],
            env=self.process_environ(**more),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def token(
        self, username: str, role: str = "user", scope: str = "write", projects: tuple[str, ...] = ()
    ) -> str:
        """Make an account by the command line and give a token of it."""
        made = self.command("user", "add", username, "--role", role, stdin="correct horse battery\n")
        assert made.returncode == 0, made.stderr
        for project in projects:
            added = self.command("member", "add", project, username)
            assert added.returncode == 0, added.stderr
        issued = self.command("token", "add", username, "--scope", scope)
        assert issued.returncode == 0, issued.stderr
        return issued.stdout.strip()

    @contextlib.contextmanager
    def serve(self, *, workers: int = 1, log: Path | None = None, **more: str) -> Iterator["Server"]:
        """Run ``entrepot serve`` until it answers; it is stopped afterwards, unless it is dead already."""
        server = Server.start(self, workers=workers, log=log, more=more)
        try:
            yield server
        finally:
            server.stop()


@dataclass
class OpenHouse:
    """An application that runs in this process."""

    client: httpx.AsyncClient
    context: ProcessContext
    tokens: dict[str, str] = field(default_factory=dict)

    async def account(
        self,
        username: str,
        role: Role = Role.USER,
        *,
        scope: Scope = Scope.WRITE,
        projects: tuple[str, ...] = (),
        password: str | None = None,
    ) -> Mapping[str, str]:
        """Make an account and give the headers of its requests."""
        database = self.context.database
        await add_user(database, username, role, password)
        for project in projects:
            await add_member(database, project, username)
        issued = await add_token(database, username, name="test", scope=scope)
        self.tokens[username] = issued.secret
        return {"Authorization": f"Token {issued.secret}"}

    async def staff(self) -> Mapping[str, str]:
        """Give the headers of somebody who may file frames."""
        if "operator" not in self.tokens:
            return await self.account("operator", Role.STAFF)
        return {"Authorization": f"Token {self.tokens['operator']}"}


@dataclass
class Server:
    """A server process with its workers."""

    process: subprocess.Popen[str]
    url: str

    @classmethod
    def start(cls, house: House, *, workers: int, log: Path | None, more: Mapping[str, str]) -> "Server":
        port = free_port()
        with contextlib.ExitStack() as stack:
            errors = stack.enter_context(log.open("a")) if log else subprocess.DEVNULL
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "entrepot.cli",
                    "serve",
                    "--port",
                    str(port),
                    "--workers",
                    str(workers),
                ],
                env=house.process_environ(**more),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        server = cls(process, f"http://127.0.0.1:{port}")
        server.wait()
        return server

    def wait(self) -> None:
        """Wait until it answers."""
        address = urlsplit(self.url)
        end = time.monotonic() + START_LIMIT
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}")
            with contextlib.closing(HTTPConnection(address.hostname or "", address.port, timeout=5)) as one:
                try:
                    one.request("GET", "/health")
                    if one.getresponse().status == 200:
                        return
                except OSError:
                    time.sleep(0.05)
        self.kill()
        raise AssertionError("the server doesn't answer")

    def kill(self) -> None:
        """End it and all its workers at once, as a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it as an operator would."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        if self.process.stdout:
            self.process.stdout.close()


def free_port() -> int:
    """Give a port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def unique(name: str) -> str:
    """Give a name that no other test has, fit for buckets and queues."""
    return f"{re.sub('[^a-z0-9]+', '-', name.lower())[:30].strip('-')}-{secrets.token_hex(4)}"
