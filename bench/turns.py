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
WARM_UP = 20
"""Turns before those that count."""
SETTLING = 0.03
"""Seconds after a write, in which the job that it woke comes to its end."""


@dataclass(slots=True)
class Durations:
    """Seconds that it took: the operation, /health, and the statements alone."""

    operation: list[float] = field(default_factory=list[float])
    health: list[float] = field(default_factory=list[float])
    statements: list[float] = field(default_factory=list[float])


async def measure(catalogue: Catalogue, url: str, operation: Operation, turns: int) -> Durations:
    """Take turns: a request, one for /health, a replay of such a request's statements."""
    found = Durations()
    requests = _endless([call.raw() for call in operation.calls], once=operation.writes)
    traces = _endless(operation.traces, once=operation.writes)
    status = operation.calls[0].status
    async with catalogue.opened() as database, bare_driver(database) as driver:
        with Connection(url) as connection:
            for turn in range(WARM_UP + turns):
                into = found if turn >= WARM_UP else Durations()
                into.operation.append(connection.seconds(next(requests), status))
                if operation.writes:
                    _settle(connection)
                into.health.append(connection.seconds(HEALTH))
                into.statements.append(await driver.seconds(next(traces)))
    return found


def _settle(connection: Connection) -> None:
    """Let the job that a write woke come to its end, without letting the machine fall asleep."""
    end = time.perf_counter() + SETTLING
    while time.perf_counter() < end:
        connection.seconds(HEALTH)


def _endless(items: Sequence[T], *, once: bool) -> Iterator[T]:
    return iter(items) if once else itertools.cycle(items)
