"""Measuring an operation and its floor in turns, so that what else the machine does hits both."""

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from catalogues import Catalogue
from client import Connection, request_bytes
from floor import bare_driver
from operations import Operation

T = TypeVar("T")

HEALTH = request_bytes("GET", "/health")
SETTLING = 0.03
"""Seconds after a write, in which the job that it woke comes to its end."""
WARM_UP = 20


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured: rounds, and in each so many requests and replays."""

    rounds: int
    batch: int

    @property
    def samples(self) -> int:
        """Count the requests of an operation that writes, those of the warm-up included."""
        return (self.rounds + WARM_UP) * self.batch


@dataclass(slots=True)
class Durations:
    """Seconds that it took: the operation, /health, and the statements alone."""

    operation: list[float] = field(default_factory=list[float])
    health: list[float] = field(default_factory=list[float])
    statements: list[float] = field(default_factory=list[float])


async def measure(catalogue: Catalogue, url: str, operation: Operation, effort: Effort) -> Durations:
    """Take turns: a batch of requests, one of /health, one of replays; the first rounds don't count."""
    found = Durations()
    requests = _endless([call.raw() for call in operation.calls], once=operation.writes)
    traces = _endless(operation.traces, once=operation.writes)
    status = operation.calls[0].status
    async with catalogue.opened() as database, bare_driver(database) as driver:
        with Connection(url) as connection:
            for turn in range(effort.rounds + WARM_UP):
                into = found if turn >= WARM_UP else Durations()
                for _ in range(effort.batch):
                    into.operation.append(connection.seconds(next(requests), status))
                    if operation.writes:
                        _settle(connection)
                into.health += [connection.seconds(HEALTH) for _ in range(effort.batch)]
                into.statements += [await driver.seconds(next(traces)) for _ in range(effort.batch)]
    return found


def _settle(connection: Connection) -> None:
    """Let the job that a write woke come to its end, without letting the machine fall asleep."""
    end = time.perf_counter() + SETTLING
    while time.perf_counter() < end:
        connection.seconds(HEALTH)


def _endless(items: Sequence[T], *, once: bool) -> Iterator[T]:
    return iter(items) if once else itertools.cycle(items)
