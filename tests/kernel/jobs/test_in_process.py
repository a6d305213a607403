"""Jobs without a broker, in one process."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from entrepot.kernel.errors import SettingsError
from entrepot.kernel.jobs import Job, Jobs
from entrepot.kernel.metrics import metrics_registry
from tests.kernel.jobs.ledger import JOB, Ledger, until

LIMIT = 30.0


async def nothing_due() -> Sequence[int]:
    return []


@asynccontextmanager
async def running(folder: Path, *jobs: Job, sweep: float = 60.0, **more: float) -> AsyncIterator[Jobs]:
    kernel = Jobs(broker_url="", lock_folder=folder, sweep_seconds=sweep, **more)
    kernel.register(jobs)
    await kernel.start(consume=True)
    try:
        yield kernel
    finally:
        await kernel.stop()


def outcomes(job: str, outcome: str) -> float:
    labels = {"job": job, "outcome": outcome}
    return metrics_registry().get_sample_value("entrepot_jobs_total", labels) or 0.0


async def test_a_wake_up_runs_the_job_once_for_each_id(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    async with running(tmp_path, ledger.job()) as jobs:
        jobs.wake(JOB, ledger.add([3, 1, 2]))
        await ledger.until_done([1, 2, 3], LIMIT)
    assert sorted(run[0] for run in ledger.runs()) == [1, 2, 3]


async def test_wake_ups_that_wait_are_put_together(tmp_path: Path) -> None:
    batches: list[list[int]] = []
    going = asyncio.Event()

    async def run(ids: Sequence[int]) -> None:
        batches.append(list(ids))
        await going.wait()

    async with running(tmp_path, Job("t.together", run, nothing_due, batch=50), concurrency=1) as jobs:
        jobs.wake("t.together", [0])
        for number in range(1, 101):
            jobs.wake("t.together", [number, number])
        await asyncio.sleep(0)
        going.set()
        await jobs.drain()
    assert batches == [[0], list(range(1, 51)), list(range(51, 101))]


async def test_no_more_slices_than_allowed_run_at_once(tmp_path: Path) -> None:
    now, most = 0, 0

    async def run(ids: Sequence[int]) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1

    async with running(tmp_path, Job("t.bounded", run, nothing_due, batch=1), concurrency=3) as jobs:
        jobs.wake("t.bounded", range(20))
        await jobs.drain()
    assert most == 3


async def test_a_backlog_of_one_job_does_not_hold_up_another(tmp_path: Path) -> None:
    order: list[str] = []

    def noting(name: str) -> Job:
        async def run(ids: Sequence[int]) -> None:
            order.append(name)
            await asyncio.sleep(0.001)

        return Job(name, run, nothing_due, batch=1)

    async with running(tmp_path, noting("t.long"), noting("t.short"), concurrency=1) as jobs:
        jobs.wake("t.long", range(50))
        jobs.wake("t.short", [1])
        await jobs.drain()
    assert order.index("t.short") <= 2
    assert len(order) == 51


async def test_an_id_woken_while_it_runs_runs_once_more_but_not_beside_itself(tmp_path: Path) -> None:
    now, runs, most = 0, 0, 0

    async def run(ids: Sequence[int]) -> None:
        nonlocal now, runs, most
        now, runs = now + 1, runs + 1
        most = max(most, now)
        if runs == 1:
            jobs.wake("t.again", ids)
            jobs.wake("t.again", ids)
        await asyncio.sleep(0.02)
        now -= 1

    async with running(tmp_path, Job("t.again", run, nothing_due)) as jobs:
        jobs.wake("t.again", [7])
        await jobs.drain()
    assert (runs, most) == (2, 1)


async def test_a_job_that_raises_is_told_counted_and_swept_without_haste(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runs: list[list[int]] = []

    async def run(ids: Sequence[int]) -> None:
        runs.append(list(ids))
        raise ValueError("the disk is on fire")

    async def due() -> Sequence[int]:
        return [5, 6]

    before = outcomes("t.broken", "failed")
    caplog.set_level(logging.INFO)
    with structlog.testing.capture_logs() as told:
        async with running(tmp_path, Job("t.broken", run, due, every=0.3)):
            await asyncio.sleep(1.0)
    failures = [line for line in told if line["event"].startswith("a job failed")]
    assert 2 <= len(runs) <= 6
    assert outcomes("t.broken", "failed") - before == len(runs) == len(failures)
    assert failures[0]["job"] == "t.broken"
    assert failures[0]["ids"] == [5, 6]
    assert "the disk is on fire" in str(failures[0]["exc_info"])
    assert not [record for record in caplog.records if record.name.startswith("taskiq.receiver")]


async def test_a_search_that_fails_is_told_and_tried_again(tmp_path: Path) -> None:
    done: list[int] = []
    searches = 0

    async def run(ids: Sequence[int]) -> None:
        done.extend(ids)

    async def due() -> Sequence[int]:
        nonlocal searches
        searches += 1
        if searches == 1:
            raise OSError("no database")
        return [] if done else [9]

    with structlog.testing.capture_logs() as told:
        async with running(tmp_path, Job("t.searching", run, due), sweep=0.05):
            await until(lambda: done, LIMIT)
    assert done == [9]
    assert [line["job"] for line in told if "sweep for a job failed" in line["event"]] == ["t.searching"]


async def test_the_sweep_works_off_a_backlog_longer_than_it_finds_at_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ids = ledger.add(range(2500))
    async with running(tmp_path, ledger.job(batch=500)):
        await ledger.until_done(ids, LIMIT)
    assert len(ledger.runs()) == 2500


async def test_the_sweep_finds_what_nobody_woke(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    async with running(tmp_path, ledger.job(), sweep=0.1) as jobs:
        await jobs.consuming()
        await asyncio.sleep(0.05)
        await ledger.until_done(ledger.add([1, 2]), LIMIT)


async def test_a_wake_up_never_raises(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    jobs = Jobs(broker_url="", lock_folder=tmp_path / "new", sweep_seconds=60)
    jobs.register([ledger.job()])
    jobs.wake(JOB, [1])
    await jobs.start(consume=True)
    jobs.wake("no.such", [1])
    jobs.wake(JOB, [])
    await jobs.stop()
    jobs.wake(JOB, [1])
    assert ledger.runs() == []


async def test_draining_runs_until_nothing_is_due(tmp_path: Path) -> None:
    left = {1: 3, 2: 1, 3: 2}
    runs: list[int] = []

    async def run(ids: Sequence[int]) -> None:
        runs.extend(ids)
        for number in ids:
            left[number] -= 1

    async def due() -> Sequence[int]:
        return [number for number, slices in left.items() if slices]

    jobs = Jobs(broker_url="", lock_folder=tmp_path, sweep_seconds=60)
    jobs.register([Job("t.slices", run, due)])
    await jobs.drain()
    await jobs.stop()
    assert sorted(runs) == [1, 1, 1, 2, 3, 3]


async def test_draining_tries_once_what_fails(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add([1, 2])
    runs = 0

    async def run(ids: Sequence[int]) -> None:
        nonlocal runs
        runs += 1
        raise ValueError

    async def due() -> Sequence[int]:
        return [1]

    jobs = Jobs(broker_url="", lock_folder=tmp_path, sweep_seconds=60)
    jobs.register([Job("t.fails", run, due), ledger.job()])
    await asyncio.wait_for(jobs.drain(), LIMIT)
    await jobs.stop()
    assert runs == 1
    assert ledger.done() == [1, 2]


@pytest.mark.parametrize(("seconds", "outcome"), [(0.2, "done"), (60.0, "cancelled")])
async def test_stopping_waits_for_short_slices_and_cancels_long_ones(
    tmp_path: Path, seconds: float, outcome: str
) -> None:
    begun = asyncio.Event()

    async def run(ids: Sequence[int]) -> None:
        begun.set()
        await asyncio.sleep(seconds)

    name = f"t.stopped-{outcome}"
    before = outcomes(name, outcome)
    loop = asyncio.get_running_loop()
    async with running(tmp_path, Job(name, run, nothing_due), grace_seconds=0.5) as jobs:
        jobs.wake(name, [1])
        await begun.wait()
        start = loop.time()
    assert loop.time() - start < 2
    assert outcomes(name, outcome) - before == 1


async def test_a_slice_that_does_not_end_is_stopped(tmp_path: Path) -> None:
    async def run(ids: Sequence[int]) -> None:
        await asyncio.Event().wait()

    before = outcomes("t.endless", "failed")
    async with running(tmp_path, Job("t.endless", run, nothing_due), slice_seconds=0.1) as jobs:
        jobs.wake("t.endless", [1])
        await asyncio.wait_for(jobs.drain(), LIMIT)
    assert outcomes("t.endless", "failed") - before == 1


async def test_a_job_knows_its_name_in_the_logs_but_not_the_request_that_woke_it(tmp_path: Path) -> None:
    seen: list[dict[str, object]] = []

    async def run(ids: Sequence[int]) -> None:
        seen.append(dict(structlog.contextvars.get_contextvars()))

    async with running(tmp_path, Job("t.logs", run, nothing_due)) as jobs:
        with structlog.contextvars.bound_contextvars(request_id="abc"):
            jobs.wake("t.logs", [1])
        await jobs.drain()
    assert seen == [{"job": "t.logs"}]


def test_two_jobs_of_one_name_are_refused(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    jobs = Jobs(broker_url="", lock_folder=tmp_path, sweep_seconds=60)
    with pytest.raises(ValueError, match=JOB):
        jobs.register([ledger.job(), ledger.job()])


@pytest.mark.parametrize(
    "url",
    ["rabbit", "http://host/", "amqp://", "amqp://host:port/", "redis://h:1/", "amqp://h:99999/", "://"],
)
def test_a_bad_broker_url_is_refused_in_one_sentence(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match=r"ENTREPOT_BROKER_URL is not .* looks like amqp://"):
        Jobs(broker_url=url, lock_folder=tmp_path, sweep_seconds=60)


def test_a_broker_is_shown_without_its_password(tmp_path: Path) -> None:
    jobs = Jobs(broker_url="amqps://me:secret@broker/x", lock_folder=tmp_path, sweep_seconds=60)
    assert jobs.broker == "broker:5671"
