"""Jobs without a broker, in several processes: one is elected, the others wake it."""

import asyncio
import time
from pathlib import Path

import structlog

from entrepot.kernel.jobs import Jobs
from tests.kernel.jobs.ledger import JOB, Ledger
from tests.kernel.jobs.processes import helper

TAKEOVER = 3.0
LIMIT = 30.0


def bystander(folder: Path, ledger: Ledger) -> Jobs:
    jobs = Jobs(broker_url="", lock_folder=folder, sweep_seconds=60)
    jobs.register([ledger.job()])
    return jobs


async def test_one_process_runs_each_id_once_whoever_wakes_it(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    async with helper(tmp_path) as first:
        await first.says("consuming")
        async with helper(tmp_path) as second:
            await second.says("started")
            async with helper(tmp_path, consume=False, wake=ledger.add(range(40))) as command:
                await command.says("stopped")
                await ledger.until_done(range(40), LIMIT)
    runs = ledger.runs()
    assert sorted(run[0] for run in runs) == list(range(40))
    assert {run[1] for run in runs} == {first.pid}


async def test_a_wake_up_reaches_the_elected_process_at_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    jobs = bystander(tmp_path, ledger)
    delays: list[float] = []
    async with helper(tmp_path) as elected:
        await elected.says("consuming")
        await jobs.start(consume=False)
        for number in range(5):
            ledger.add([number])
            start = time.time()
            jobs.wake(JOB, [number])
            _, _, moment = await ledger.until_run(number, LIMIT)
            delays.append(moment - start)
        await jobs.stop()
    assert sorted(delays)[2] < 0.1


async def test_when_the_elected_is_killed_another_takes_over_and_runs_what_was_left(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    async with helper(tmp_path, seconds=60, lease=0.5) as first:
        await first.says("consuming")
        async with helper(tmp_path, lease=0.5, sweep=0.3) as second:
            await second.says("started")
            async with helper(tmp_path, consume=False, wake=ledger.add(range(60))):
                await ledger.until_run(0, LIMIT)
            await first.kill()
            killed = time.time()
            await second.says("consuming")
            assert time.time() - killed < TAKEOVER
            await ledger.until_done(range(60), LIMIT)
            takeover = min(run[2] for run in ledger.runs() if run[1] == second.pid) - killed
    assert takeover < TAKEOVER
    assert {run[0] for run in ledger.runs() if run[1] == second.pid} == set(range(60))


async def test_an_elected_process_that_stops_hands_on(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    jobs = bystander(tmp_path, ledger)
    async with helper(tmp_path, seconds=0.3) as first:
        await first.says("consuming")
        async with helper(tmp_path) as second:
            await second.says("started")
            jobs.wake(JOB, ledger.add([1]))
            await ledger.until_run(1, LIMIT)
            assert await first.stop() == 0
            assert ledger.done() == [1]
            await second.says("consuming")
            jobs.wake(JOB, ledger.add([2]))
            await ledger.until_done([2], LIMIT)
            assert await second.stop() == 0
    assert [(run[0], run[1]) for run in ledger.runs()] == [(1, first.pid), (2, second.pid)]


async def test_two_in_one_process_do_not_both_lead(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    first, second = bystander(tmp_path, ledger), bystander(tmp_path, ledger)
    await first.start(consume=True)
    await second.start(consume=True)
    await asyncio.wait_for(first.consuming(), 1)
    waiting = asyncio.create_task(second.consuming())
    await asyncio.sleep(1.2)
    assert not waiting.done()
    await first.stop()
    await asyncio.wait_for(waiting, 3)
    await second.stop()


async def test_many_ids_and_nonsense_come_through_the_pipe(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    elected, other = bystander(tmp_path, ledger), bystander(tmp_path, ledger)
    await elected.start(consume=True)
    with structlog.testing.capture_logs() as told:
        with (tmp_path / "jobs.wake").open("wb", buffering=0) as pipe:
            pipe.write(b'nonsense\n{"job":"test.work","ids":["x"]}\n{"job":"of.tomorrow","ids":[1]}\n')
        big = 2**63 - 1
        ids = ledger.add([*range(big - 1500, big)])
        other.wake(JOB, ids)
        await ledger.until_done(ids, LIMIT)
    await elected.stop()
    assert len(ledger.runs()) == 1500
    assert [line["event"] for line in told if line["log_level"] == "warning"] == [
        "a wake-up can't be read",
        "a wake-up can't be read",
        "a process of another version wakes a job that this one doesn't know",
    ]


async def test_a_full_pipe_holds_nobody_up(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    elected, other = bystander(tmp_path, ledger), bystander(tmp_path, ledger)
    await elected.start(consume=True)
    start = time.monotonic()
    for _ in range(200):
        other.wake(JOB, range(1000))  # the reader can't read: the loop is ours until the next await
    assert time.monotonic() - start < 2
    await elected.stop()


async def test_a_file_in_the_place_of_the_pipe_gives_way(tmp_path: Path) -> None:
    (tmp_path / "jobs.wake").write_text("left over")
    ledger = Ledger(tmp_path)
    elected, other = bystander(tmp_path, ledger), bystander(tmp_path, ledger)
    await elected.start(consume=True)
    other.wake(JOB, ledger.add([1]))
    await ledger.until_done([1], LIMIT)
    await elected.stop()


async def test_without_a_reader_the_sweep_of_the_next_elected_finds_it(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    other, elected = bystander(tmp_path, ledger), bystander(tmp_path, ledger)
    other.wake(JOB, ledger.add([1]))
    assert ledger.runs() == []
    await elected.start(consume=True)
    await ledger.until_done([1], LIMIT)
    await elected.stop()
