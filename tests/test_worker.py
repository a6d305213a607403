"""`entrepot worker`: what it says and how it ends; the jobs themselves are tested in tests/kernel/jobs."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import entrepot
from tests.services.rabbitmq import fresh_queues

LIMIT = 60.0
CLOSED_PORT = "amqp://guest:guest@127.0.0.1:9/"


@asynccontextmanager
async def worker(folder: Path, **settings: str) -> AsyncIterator[Process]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ENTREPOT_")}
    environ |= {"ENTREPOT_DATA_DIR": str(folder), "PYTHONPATH": str(Path(entrepot.__file__).parents[1])}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "entrepot.cli", "worker", stdout=PIPE, stderr=STDOUT, env=environ | settings
    )
    try:
        async with asyncio.timeout(LIMIT):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def said(process: Process, words: str) -> list[str]:
    """Read what the process says until a line has these words; give all lines."""
    assert process.stdout
    lines: list[str] = []
    while not lines or words not in lines[-1]:
        line = (await process.stdout.readline()).decode()
        assert line, "".join(lines)
        lines.append(line)
    return lines


async def test_without_a_broker_one_sentence_says_what_is_needed(tmp_path: Path) -> None:
    async with worker(tmp_path) as process:
        output, _ = await process.communicate()
    assert process.returncode == 2
    assert output.decode().count("\n") == 1
    assert "inside the server" in output.decode()
    assert "ENTREPOT_BROKER_URL" in output.decode()


async def test_a_worker_says_when_it_takes_jobs(tmp_path: Path) -> None:
    async with fresh_queues() as queues:
        settings = {"ENTREPOT_BROKER_URL": queues.url, "ENTREPOT_BROKER_PREFIX": queues.prefix}
        async with worker(tmp_path, **settings) as process:
            lines = await said(process, "takes jobs")
            process.send_signal(signal.SIGTERM)
            await process.communicate()
    assert process.returncode == 0
    assert lines[-1] == f"Entrepôt's worker takes jobs from {queues.host}:{queues.port}.\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_waits_for_its_broker_and_stops_when_told(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with worker(tmp_path, ENTREPOT_BROKER_URL=CLOSED_PORT) as process:
        lines = await said(process, "RabbitMQ doesn't answer")
        process.send_signal(number)
        rest, _ = await process.communicate()
    assert process.returncode == 0, rest.decode()
    assert "takes jobs" not in "".join(lines) + rest.decode()
