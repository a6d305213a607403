"""Straight edges in a plane, cut into trapezoids by a sweep from left to right.

The plane is that onto which one part of the sphere projects from its centre, so that great circles
are straight lines. Positions are brought onto a grid of whole numbers far finer than the rounding
of a float, and everything that decides about order is exact from there on (Bentley & Ottmann 1979,
with the treatment of shared points of de Berg et al., Computational Geometry, ch. 2), so that edges
that touch, cross in one point or coincide need no tolerance.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from fractions import Fraction
from functools import cmp_to_key
from itertools import pairwise

from .pieces import piece
from .sphere import GeometryError, Quad, Vector, between

MAX_PIECES = 24_000
"""How many pieces an area may be cut into: what a simple ring of 9,999 vertices needs, and some."""


class Budget:
    """Counts pieces, and raises `GeometryError` when there are too many."""

    def __init__(self) -> None:
        self.left = MAX_PIECES

    def spend(self) -> None:
        """Count one more piece."""
        self.left -= 1
        if self.left < 0:
            raise GeometryError(
                f"The area is too complicated: it falls into more than {MAX_PIECES:,} pieces, "
                "so give it with fewer positions or crossings."
            )


class Node:
    """A position on the grid, its unit vector, and that vector's part along the plane's centre."""

    __slots__ = ("vector", "weight", "x", "y")

    def __init__(self, x: int, y: int, vector: Vector, weight: float) -> None:
        self.x = x
        self.y = y
        self.vector = vector
        self.weight = weight


class _Event:
    """A point (x/w, y/w) where edges start, end, meet or cross."""

    __slots__ = ("key", "starting", "w", "x", "y")

    def __init__(self, x: int, y: int, w: int, key: _Key) -> None:
        self.x, self.y, self.w, self.key = x, y, w, key
        self.starting: list[Segment] = []


_Key = tuple[int | Fraction, int | Fraction]


class Segment:
    """A straight edge that isn't vertical, from left to right; ax + by + cw > 0 above it."""

    __slots__ = ("a", "b", "c", "left", "met", "right", "since", "vector")

    def __init__(self, one: Node, other: Node) -> None:
        self.left, self.right = (one, other) if one.x < other.x else (other, one)
        self.a = self.left.y - self.right.y
        self.b = self.right.x - self.left.x
        self.c = -self.a * self.left.x - self.b * self.left.y
        self.since: _Event | None = None
        self.met: _Event | None = None
        self.vector = self.left.vector

    def side(self, event: _Event) -> int:
        """Say whether a point lies above (> 0), on (0) or below the edge's line."""
        return self.a * event.x + self.b * event.y + self.c * event.w

    def at(self, event: _Event) -> Vector:
        """Give the unit vector of the edge's point below or above an event."""
        if self.met is not event:
            self.met, self.vector = event, self._at(event)
        return self.vector

    def _at(self, event: _Event) -> Vector:
        left, right = self.left, self.right
        along = event.x - left.x * event.w
        if along <= 0:
            return left.vector
        if event.x >= right.x * event.w:
            return right.vector
        share = along / (self.b * event.w)
        near = share * left.weight
        return between(left.vector, right.vector, near / ((1.0 - share) * right.weight + near))


def trapezoids(
    segments: Iterable[Segment], floor: Segment, ceiling: Segment, budget: Budget
) -> tuple[list[Quad], list[Quad]]:
    """Cut the rectangle between a floor and a ceiling along segments.

    Gives the pieces that an even number of segments, and those that an odd number of them, parts
    from the rectangle's lower left corner. The segments lie within the rectangle; in its inside, an
    even number of them ends at each point. Raises `GeometryError` when the budget is spent.
    """
    sweep = _Sweep(floor, ceiling, budget)
    sweep.run(segments)
    return sweep.pieces


class _Sweep:
    def __init__(self, floor: Segment, ceiling: Segment, budget: Budget) -> None:
        self.pieces: tuple[list[Quad], list[Quad]] = ([], [])
        self._status = [floor, ceiling]
        self._budget = budget
        self._parity = 0
        self._events: dict[_Key, _Event] = {}
        self._queue: list[_Key] = []
        floor.since = _Event(floor.left.x, floor.left.y, 1, (floor.left.x, floor.left.y))

    def run(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            self._corner(segment.left).starting.append(segment)
            self._corner(segment.right)
        self._queue = sorted(self._events)
        end = self._status[0].right
        while self._queue and self._queue[0][0] < end.x:
            event = self._events.pop(heapq.heappop(self._queue))
            self._pass(event)
        last = _Event(end.x, end.y, 1, (end.x, end.y))
        for index, (lower, upper) in enumerate(pairwise(self._status)):
            self._close(lower, upper, index, last)

    def _corner(self, node: Node) -> _Event:
        key = (node.x, node.y)
        event = self._events.get(key)
        if event is None:
            event = self._events[key] = _Event(node.x, node.y, 1, key)
        return event

    def _pass(self, event: _Event) -> None:
        """Close the trapezoids that end at a point, and open those that start there."""
        status = self._status
        first = last = self._place(event)
        while last < len(status) - 1 and status[last].side(event) == 0:
            last += 1
        ending = status[first:last]
        passing = [segment for segment in ending if event.x < segment.right.x * event.w]
        starting = sorted([*passing, *event.starting], key=_by_slope)
        before = list(pairwise([status[first - 1], *ending, status[last]]))
        after = list(pairwise([status[first - 1], *starting, status[last]]))
        goes_on = 1 if before[0] == after[0] else 0
        goes_on_above = 1 if goes_on < min(len(before), len(after)) and before[-1] == after[-1] else 0
        for index in range(goes_on, len(before) - goes_on_above):
            self._close(*before[index], first - 1 + index, event)
        status[first:last] = starting
        if event.y == status[0].left.y * event.w:
            self._parity ^= (len(ending) + len(starting)) & 1
        for lower, upper in after[goes_on : len(after) - goes_on_above]:
            lower.since = event
            self._expect_crossing(lower, upper)

    def _place(self, event: _Event) -> int:
        """Find the lowest segment on or above a point."""
        status = self._status
        low, high = 1, len(status) - 1
        while low < high:
            middle = (low + high) // 2
            if status[middle].side(event) > 0:
                low = middle + 1
            else:
                high = middle
        return low

    def _close(self, lower: Segment, upper: Segment, index: int, event: _Event) -> None:
        since = lower.since
        if since is None or since.key[0] == event.key[0]:
            return
        self._budget.spend()
        corners = [lower.at(since), lower.at(event), upper.at(event), upper.at(since)]
        quad = piece(corners)
        if quad is not None:
            self.pieces[(self._parity + index) & 1].append(quad)

    def _expect_crossing(self, lower: Segment, upper: Segment) -> None:
        """Queue the point where two neighbours cross, if they do so before either ends."""
        w = lower.a * upper.b - lower.b * upper.a
        if w >= 0 or lower is self._status[0] or upper is self._status[-1]:
            return
        end, other = lower.right, upper.right
        if end.x <= other.x:
            crosses = upper.a * end.x + upper.b * end.y + upper.c > 0
        else:
            crosses = lower.a * other.x + lower.b * other.y + lower.c < 0
        if crosses:
            x, y = lower.b * upper.c - lower.c * upper.b, lower.c * upper.a - lower.a * upper.c
            self._await(-x, -y, -w)

    def _await(self, x: int, y: int, w: int) -> None:
        key = (Fraction(x, w), Fraction(y, w))
        if key not in self._events:
            self._events[key] = _Event(x, y, w, key)
            heapq.heappush(self._queue, key)


def _flatter(one: Segment, other: Segment) -> int:
    """Order segments right of a point that they share."""
    return other.a * one.b - one.a * other.b


_by_slope = cmp_to_key(_flatter)
