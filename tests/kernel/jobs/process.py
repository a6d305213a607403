"""A process with jobs, for the tests to start and kill: ``python process.py '{"folder": …}'``."""

import asyncio
import json
import signal
import sys
from pathlib import Path

from ledger import JOB, Ledger

from entrepot.kernel.jobs import Jobs

OF_THE_JOB = ("seconds", "lease", "batch", "swept")


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def main() -> None:
    options = json.loads(sys.argv[1])
    folder = Path(options["folder"])
    ledger = Ledger(folder)
    jobs = Jobs(
        broker_url=options.get("broker", ""),
        broker_prefix=options.get("prefix", "entrepot-test"),
        lock_folder=folder,
        sweep_seconds=options.get("sweep", 60.0),
        grace_seconds=options.get("grace", 5.0),
    )
    jobs.register([ledger.job(**{name: options[name] for name in OF_THE_JOB if name in options})])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await jobs.start(consume=options.get("consume", True))
    say("started")
    for number in options.get("wake", []):
        jobs.wake(JOB, [number])
    if options.get("consume", True):
        await asyncio.wait({asyncio.create_task(jobs.consuming()), asyncio.create_task(stop.wait())},
                           return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
        say("consuming")
        await stop.wait()
    await jobs.stop()
    say("stopped")


asyncio.run(main())
