"""Runs that are killed, stopped, doubled, or not alone."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import pytest

from tests.modules.archive.ingest_cli.holdings import (
    downloads_of,
    filed_names,
    frames_of,
    make_frames,
    objects_of,
    outcomes,
    versions_of,
)
from tests.services.house import House

pytestmark = pytest.mark.slow

COUNT = 160


def _start(house: House, folder: Path, *more: str, errors: IO[str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "entrepot.cli", "ingest", str(folder), "--json", *more],
        env=house.process_environ(),
        stdout=subprocess.PIPE,
        stderr=errors or subprocess.DEVNULL,
        text=True,
    )


def _wait_for_lines(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(count)]


async def _assert_all_there_once(house: House, paths: list[Path]) -> None:
    async with house.open() as opened:
        expected = {
            f"{path.name} {hashlib.md5(path.read_bytes()).hexdigest()}": path.read_bytes() for path in paths
        }
        assert await downloads_of(opened) == expected
        versions = await versions_of(opened)
        assert len(versions) == len(paths)
        assert {version["state"] for version in versions} == {"checked"}


async def test_killed_three_times_and_run_again(house: House, tmp_path: Path) -> None:
    paths = make_frames(tmp_path / "in", COUNT)
    for lines in (1, 5, 9):
        process = _start(house, tmp_path / "in", "--jobs", "2")
        _wait_for_lines(process, lines)
        process.kill()
        process.communicate()
        async with house.open() as opened:
            assert 0 < len(await frames_of(opened)) < COUNT

    done = house.command("ingest", str(tmp_path / "in"))

    assert done.returncode == 0, done.stdout + done.stderr
    await _assert_all_there_once(house, paths)
    names = filed_names(house)
    assert set(names) == {path.name for path in paths}
    if "ENTREPOT_STORE_URL" not in house.environ:
        assert len(names) == COUNT


async def test_two_runs_over_the_same_folder(house: House, tmp_path: Path) -> None:
    paths = make_frames(tmp_path / "in", COUNT)
    runs = [_start(house, tmp_path / "in") for _ in range(2)]
    told = [outcomes(run.communicate(timeout=120)[0]) for run in runs]

    assert [run.returncode for run in runs] == [0, 0]
    for path in paths:
        assert {run[path.name]["outcome"] for run in told} <= {"new frame", "already there"}
        assert sum(run[path.name]["outcome"] == "new frame" for run in told) == 1
    await _assert_all_there_once(house, paths)
    assert len(objects_of(house)) == COUNT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("mode", ["embedded"])
async def test_stopped_by_a_signal(house: House, tmp_path: Path, number: int) -> None:
    paths = make_frames(tmp_path / "in", COUNT)
    with (tmp_path / "errors").open("w") as errors:
        process = _start(house, tmp_path / "in", "--jobs", "1", errors=errors)
        lines = _wait_for_lines(process, 3)
        process.send_signal(number)
        assert process.stdout is not None
        rest = process.stdout.read()  # communicate() would pass over what is buffered already
        process.wait(60)
    said = (tmp_path / "errors").read_text()
    told = outcomes("".join(lines) + rest)

    assert process.returncode == 130
    assert "The same command goes on from here" in said
    assert "Traceback" not in said
    assert 3 <= len(told) < COUNT
    async with house.open() as opened:
        assert (await frames_of(opened)).keys() == {name.partition(".")[0] for name in told}
    assert house.command("ingest", str(tmp_path / "in")).returncode == 0
    await _assert_all_there_once(house, paths)


async def test_beside_a_running_server(house: House, tmp_path: Path) -> None:
    paths = make_frames(tmp_path / "in", 20)
    with house.serve(workers=2):
        done = house.command("ingest", str(tmp_path / "in"))
        assert done.returncode == 0, done.stdout + done.stderr
    await _assert_all_there_once(house, paths)


@pytest.mark.parametrize("mode", ["embedded"])
def test_readers_end_with_their_parent(house: House, tmp_path: Path) -> None:
    make_frames(tmp_path / "in", COUNT)
    process = _start(house, tmp_path / "in", "--jobs", "2")
    _wait_for_lines(process, 1)
    children = [
        int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ]
    process.kill()
    process.communicate()

    assert children
    end = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in children) and time.monotonic() < end:
        time.sleep(0.05)
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists() and os.getpgid(pid)]
