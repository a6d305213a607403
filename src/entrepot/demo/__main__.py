"""``python -m entrepot.demo``: fill ./demo-data where something is missing, and serve it."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from filelock import FileLock, Timeout

from entrepot.app import load
from entrepot.demo.exposures import exposures, spares
from entrepot.demo.incoming import make_frames
from entrepot.demo.page import page
from entrepot.demo.people import settle_people
from entrepot.kernel.errors import EntrepotError, Unavailable
from entrepot.kernel.logs import configure_logs
from entrepot.kernel.settings import KernelSettings

__all__ = ["main"]

COMMAND = (sys.executable, "-m", "entrepot.cli")
DATA = Path("demo-data")
HEARD = {"ENTREPOT_HOST", "ENTREPOT_PORT", "ENTREPOT_PUBLIC_URL", "ENTREPOT_LOG_FORMAT", "ENTREPOT_LOG_LEVEL"}
"""The settings that a demo takes from the environment; it never touches another catalogue or store."""
WAIT = 300.0


def main() -> NoReturn:
    """Run the demo until Ctrl-C."""
    _leave_out_other_settings()
    try:
        settings = load(os.environ)
        configure_logs(settings.log_format, settings.log_level)
        _insist_on_free_port(settings)
        _run(settings)
    except EntrepotError as error:
        sys.exit(error.detail)


def _leave_out_other_settings() -> None:
    for name in [name for name in os.environ if name.startswith("ENTREPOT_") and name not in HEARD]:
        del os.environ[name]
    os.environ["ENTREPOT_DATA_DIR"] = str(DATA)
    # One line a request would push the page off the screen.
    os.environ.setdefault("ENTREPOT_LOG_LEVEL", "warning")


def _run(settings: KernelSettings) -> NoReturn:
    DATA.mkdir(exist_ok=True)
    try:
        with FileLock(DATA / "demo.lock", timeout=WAIT):
            make_frames(DATA / "incoming", exposures())
            make_frames(DATA / "more", spares())
            people = asyncio.run(settle_people(settings.catalogue_url, DATA / "tokens.json"))
            _ingest()
    except Timeout:
        raise Unavailable(f"Another demo has been filling {DATA} for {WAIT:g} s; stop it first.") from None
    sys.stdout.write(page(settings.base_url, DATA, people))
    sys.stdout.flush()
    # A process of its own: the server forks, which one with threads behind it must not do.
    os.execv(sys.executable, [*COMMAND, "serve"])  # noqa: S606 - our own command


def _ingest() -> None:
    """File the frames by the command that anyone would use; what is there already is passed over."""
    done = subprocess.run([*COMMAND, "ingest", str(DATA / "incoming")], check=False)  # noqa: S603 - our own
    if done.returncode != 0:
        raise Unavailable("The demo's frames could not all be filed; see above.")


def _insist_on_free_port(settings: KernelSettings) -> None:
    try:
        socket.create_connection((settings.host, settings.port), timeout=1).close()
    except OSError:
        return
    raise Unavailable(
        f"Port {settings.port} of {settings.host} is in use; choose another: ENTREPOT_PORT=8001 make demo."
    )


if __name__ == "__main__":
    main()
