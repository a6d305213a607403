"""Jobs over RabbitMQ."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
import structlog

from entrepot.kernel.jobs import Job, Jobs
from tests.kernel.jobs.ledger import JOB, Ledger, until
from tests.kernel.jobs.processes import helper
from tests.kernel.jobs.proxy import Proxy
from tests.services.rabbitmq import Queues, fresh_queues

LIMIT = 30.0
CLOSED_PORT = "amqp://guest:guest@127.0.0.1:9/"


@pytest_asyncio.fixture
async def queues() -> AsyncIterator[Queues]:
    async with fresh_queues() as found:
        yield found


@asynccontextmanager
async def linked(
    folder: Path, prefix: str, url: str, *jobs: Job, consume: bool, sweep: float = 60.0, **more: float
) -> AsyncIterator[Jobs]:
    kernel = Jobs(broker_url=url, broker_prefix=prefix, lock_folder=folder, sweep_seconds=sweep, **more)
    kernel.register(jobs)
    await kernel.start(consume=consume)
    try:
        yield kernel
    finally:
        await kernel.stop()


async def no_sweep(jobs: Jobs) -> None:
    """Let the first sweep pass, so that what follows has only messages."""
    await asyncio.wait_for(jobs.consuming(), LIMIT)
    await asyncio.sleep(0.5)


def through(proxy: Proxy, queues: Queues) -> str:
    return queues.url.replace(f"{queues.host}:{queues.port}", f"127.0.0.1:{proxy.port}")


async def test_a_message_runs_once(tmp_path: Path, queues: Queues) -> None:
    ledger = Ledger(tmp_path)
    async with (
        linked(tmp_path, queues.prefix, queues.url, ledger.job(), consume=True) as worker,
        linked(tmp_path, queues.prefix, queues.url, ledger.job(), consume=False) as server,
    ):
        await no_sweep(worker)
        server.wake(JOB, ledger.add(range(35)))
        await ledger.until_done(range(35), LIMIT)
    assert sorted(run[0] for run in ledger.runs()) == list(range(35))
    assert await queues.waiting() == 0


async def test_what_is_woken_just_before_the_stop_is_still_sent(tmp_path: Path, queues: Queues) -> None:
    ledger = Ledger(tmp_path)
    async with linked(tmp_path, queues.prefix, queues.url, ledger.job(), consume=False) as command:
        command.wake(JOB, ledger.add(range(35)))
    assert await queues.waiting() == 4


async def test_two_workers_share_the_work(tmp_path: Path, queues: Queues) -> None:
    ledger = Ledger(tmp_path)
    options = {"broker": queues.url, "prefix": queues.prefix, "seconds": 0.1}
    async with helper(tmp_path, **options) as one, helper(tmp_path, **options) as two:
        await one.says("consuming")
        await two.says("consuming")
        async with linked(tmp_path, queues.prefix, queues.url, ledger.job(), consume=False) as server:
            server.wake(JOB, ledger.add(range(200)))
            await ledger.until_done(range(200), LIMIT)
        assert await one.stop() == 0
        assert await two.stop() == 0
    runs = ledger.runs()
    assert sorted(run[0] for run in runs) == list(range(200))
    assert {run[1] for run in runs} == {one.pid, two.pid}


async def test_the_message_of_a_killed_worker_is_delivered_to_another(tmp_path: Path, queues: Queues) -> None:
    ledger = Ledger(tmp_path)
    options = {"broker": queues.url, "prefix": queues.prefix, "lease": 0.0, "swept": False}
    async with helper(tmp_path, **options, seconds=60) as first:
        await first.says("consuming")
        async with linked(tmp_path, queues.prefix, queues.url, ledger.job(), consume=False) as server:
            server.wake(JOB, ledger.add([1, 2]))
        await ledger.until_run(1, LIMIT)
        async with helper(tmp_path, **options) as second:
            await second.says("consuming")
            assert ledger.done() == []
            await first.kill()
            await ledger.until_done([1, 2], LIMIT)
    assert [run[:2] for run in ledger.runs()] == [(n, pid) for pid in (first.pid, second.pid) for n in (1, 2)]


async def test_what_a_killed_worker_had_claimed_is_swept(tmp_path: Path, queues: Queues) -> None:
    ledger = Ledger(tmp_path)
    options = {"broker": queues.url, "prefix": queues.prefix, "lease": 1.0, "sweep": 0.3}
    async with helper(tmp_path, **options, seconds=60) as first:
        await first.says("consuming")
        ledger.add(range(60))
        await ledger.until_run(0, LIMIT)
        async with helper(tmp_path, **options) as second:
            await second.says("consuming")
            await first.kill()
            await ledger.until_done(range(60), LIMIT)
    assert {run[0] for run in ledger.runs() if run[1] == second.pid} == set(range(60))


async def test_a_slice_cut_off_by_the_stop_is_delivered_again(tmp_path: Path, queues: Queues) -> None:
    ledger = Ledger(tmp_path)
    job = ledger.job(seconds=60, swept=False)
    async with linked(tmp_path, queues.prefix, queues.url, job, consume=True, grace_seconds=0.3) as worker:
        worker.wake(JOB, ledger.add([1]))
        await ledger.until_run(1, LIMIT)
        start = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - start < 3
    assert await queues.waiting() == 1


async def test_a_job_that_raises_is_acknowledged_and_comes_back_by_the_sweep(
    tmp_path: Path, queues: Queues
) -> None:
    runs = 0

    async def run(ids: Sequence[int]) -> None:
        nonlocal runs
        runs += 1
        raise ValueError

    async def due() -> Sequence[int]:
        return [1]

    job = Job("t.rabbit-broken", run, due)
    async with linked(tmp_path, queues.prefix, queues.url, job, consume=True, sweep=0.5):
        await until(lambda: runs >= 2, LIMIT)
        await asyncio.sleep(0.5)
    assert runs <= 5
    assert await queues.waiting() == 0


async def test_sweeps_do_not_pile_up_messages_before_busy_workers(tmp_path: Path, queues: Queues) -> None:
    async def run(ids: Sequence[int]) -> None:
        await asyncio.sleep(0.3)

    async def due() -> Sequence[int]:
        return range(20)

    job = Job("t.slow", run, due, batch=1)
    async with linked(
        tmp_path, queues.prefix, queues.url, job, consume=True, sweep=0.05, concurrency=1, grace_seconds=0.1
    ):
        longest = 0
        for _ in range(10):
            await asyncio.sleep(0.3)
            longest = max(longest, await queues.waiting())
    assert 10 <= longest <= 20


async def test_a_broker_out_of_reach_holds_up_neither_start_nor_wake_nor_stop(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    loop = asyncio.get_running_loop()
    start = loop.time()
    with structlog.testing.capture_logs() as told:
        async with linked(tmp_path, "entrepot-test-down", CLOSED_PORT, ledger.job(), consume=True) as jobs:
            assert loop.time() - start < 2
            for number in range(100):
                jobs.wake(JOB, [number])
            await asyncio.sleep(2)
        assert loop.time() - start < 5
    assert [line["log_level"] for line in told if "RabbitMQ" in line["event"]] == ["warning"]
    assert "guest" not in str(told)


async def test_a_slice_outlives_the_connection_that_brought_it(tmp_path: Path, queues: Queues) -> None:
    ledger = Ledger(tmp_path)
    proxy = Proxy(queues.host, queues.port)
    await proxy.open()
    job = ledger.job(seconds=1.5, lease=60, swept=False)
    async with linked(tmp_path, queues.prefix, through(proxy, queues), job, consume=True) as worker:
        worker.wake(JOB, ledger.add([1]))
        await ledger.until_run(1, LIMIT)
        await proxy.close()
        await proxy.open()
        await ledger.until_done([1], LIMIT)
        worker.wake(JOB, ledger.add([2]))
        await ledger.until_done([2], LIMIT)
    await proxy.close()
    assert [run[0] for run in ledger.runs()] == [1, 2]
    assert await queues.waiting() == 0


async def test_a_broker_that_comes_late_and_goes_and_comes_is_used_when_it_is_there(
    tmp_path: Path, queues: Queues
) -> None:
    ledger = Ledger(tmp_path)
    proxy = Proxy(queues.host, queues.port)
    await proxy.open()
    url = through(proxy, queues)
    await proxy.close()
    job = ledger.job(swept=False)
    with structlog.testing.capture_logs() as told:
        async with (
            linked(tmp_path, queues.prefix, url, job, consume=True) as worker,
            linked(tmp_path, queues.prefix, url, job, consume=False) as server,
        ):
            server.wake(JOB, ledger.add([1]))
            await asyncio.sleep(0.3)
            await proxy.open()
            await asyncio.wait_for(worker.consuming(), LIMIT)
            await ledger.until_done([1], LIMIT)
            await proxy.close()
            server.wake(JOB, ledger.add([2]))
            await asyncio.sleep(1.5)
            assert ledger.done() == [1]
            await proxy.open()
            await ledger.until_done([2], LIMIT)
    await proxy.close()
    levels = [line["log_level"] for line in told if line["event"].startswith("RabbitMQ")]
    assert levels.count("warning") == levels.count("info") == 4  # twice gone and come, told by each of two


@pytest.mark.parametrize("consume", [True, False])
async def test_a_stop_without_the_broker_is_quick_and_leaves_nothing_behind(
    tmp_path: Path, queues: Queues, *, consume: bool
) -> None:
    ledger = Ledger(tmp_path)
    proxy = Proxy(queues.host, queues.port)
    await proxy.open()
    url = through(proxy, queues)
    loop = asyncio.get_running_loop()
    before = asyncio.all_tasks()
    async with linked(tmp_path, queues.prefix, url, ledger.job(swept=False), consume=consume) as jobs:
        jobs.wake(JOB, ledger.add([1]))
        if consume:
            await ledger.until_done([1], LIMIT)
        else:
            await queues.until_waiting(1, LIMIT)
        await proxy.close()
        await asyncio.sleep(0.2)
        jobs.wake(JOB, [2])
        start = loop.time()
    assert loop.time() - start < 3
    assert asyncio.all_tasks() - before == set()


async def test_a_queue_that_somebody_deletes_is_made_again(tmp_path: Path, queues: Queues) -> None:
    ledger = Ledger(tmp_path)
    job = ledger.job(swept=False)
    async with linked(tmp_path, queues.prefix, queues.url, job, consume=True) as worker:
        await asyncio.wait_for(worker.consuming(), LIMIT)
        await queues.delete()
        ids = ledger.add([1])
        await until(lambda: worker.wake(JOB, ids) or ledger.done(), LIMIT)
