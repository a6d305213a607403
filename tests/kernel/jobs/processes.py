"""Starting the helper process, and waiting for what it says."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import entrepot

SCRIPT = Path(__file__).with_name("process.py")
LIMIT = 60.0


class Helper:
    def __init__(self, process: Process) -> None:
        self.process = process
        self.said: list[str] = []

    @property
    def pid(self) -> int:
        return self.process.pid

    async def says(self, word: str) -> None:
        assert self.process.stdout
        async with asyncio.timeout(LIMIT):
            while word not in self.said:
                line = (await self.process.stdout.readline()).decode()
                assert line, f"the process ended and said {self.said}"
                self.said.append(line.strip())

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """Send SIGTERM, and give the exit code."""
        self.process.terminate()
        await self.says("stopped")
        return await self.process.wait()


@asynccontextmanager
async def helper(folder: Path, **options: object) -> AsyncIterator[Helper]:
    """Start a process with jobs on a folder, and kill it in the end if it still lives."""
    source = str(Path(entrepot.__file__).parents[1])
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SCRIPT),
        json.dumps({"folder": str(folder), **options}),
        stdout=PIPE,
        stderr=STDOUT,
        env={**os.environ, "PYTHONPATH": source},
    )
    try:
        yield Helper(process)
    finally:
        if process.returncode is None:
            process.kill()
        # Read to the end, so that the pipe's transport is closed with the loop still there.
        await process.communicate()
