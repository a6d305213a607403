"""What a job is, and the ids that wait for one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

__all__ = ["Job", "Waiting"]


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of background work on rows that a module keeps; the database alone knows what is left to do."""

    name: str
    """Unique, with the module's name in front: ``archive.checksum``."""
    run: Callable[[Sequence[int]], Awaitable[None]]
    """Looks at the rows of these ids. It claims them in the database itself, may run twice or never, and
    works for at most 5 minutes; what is left then it wakes again."""
    due: Callable[[], Awaitable[Sequence[int]]]
    """Finds ids that wait and that nobody has claimed; at most some 1,000."""
    every: float | None = None
    """Seconds between sweeps; None takes the setting."""
    batch: int = 50
    """The most ids for one run."""
    seconds: float | None = None
    """Seconds after which a run is stopped; None: 5 minutes. More is for work that can't be taken up again
    halfway, and whose claim is kept alive meanwhile."""


class Waiting:
    """Ids to look at, each once for a job, in the order they came; bounded, as a sweep finds the rest.

    The jobs take turns, so that a long backlog of one doesn't hold up another.
    """

    def __init__(self, jobs: Mapping[str, Job], limit: int = 10_000) -> None:
        self._jobs = jobs
        self._limit = limit
        self._ids: dict[str, dict[int, None]] = {}

    def __bool__(self) -> bool:
        return bool(self._ids)

    def of(self, name: str) -> Collection[int]:
        """Give the ids that wait for a job."""
        return self._ids.get(name, ())

    def add(self, name: str, ids: Iterable[int]) -> None:
        """Add ids; those beyond the limit are left to the sweep."""
        waiting = self._ids.get(name, {})
        waiting.update(dict.fromkeys(islice(ids, max(0, self._limit - len(waiting)))))
        if waiting:
            self._ids[name] = waiting

    def take(self, busy: Mapping[str, Collection[int]]) -> tuple[str, list[int]] | None:
        """Take the next batch, leaving out the ids that are ``busy``; None if there is none."""
        for name in list(self._ids):
            waiting, held = self._ids.pop(name), busy.get(name, ())
            free = (number for number in waiting if number not in held)
            batch = list(islice(free, self._jobs[name].batch))
            for number in batch:
                del waiting[number]
            if waiting:
                self._ids[name] = waiting
            if batch:
                return name, batch
        return None
