"""What is measured, as lines of JSON."""

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass

failures: list[str] = []
"""Bounds that were not met in this run."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What an operation may cost: times its floor, and statements."""

    ratio: float
    statements: int | None = None


def milliseconds(seconds: Sequence[float], part: int = 50) -> float:
    """Give a percentile of durations in ms."""
    return statistics.quantiles(seconds, n=100, method="inclusive")[part - 1] * 1000


def say(**members: object) -> None:
    """Print a line; one that says a bound isn't met is remembered."""
    text = json.dumps({name: _rounded(value) for name, value in members.items()}, ensure_ascii=False)
    print(text, flush=True)
    if members.get("met") is False:
        failures.append(text)


def note(text: str) -> None:
    """Tell the person who waits what goes on."""
    print(text, file=sys.stderr, flush=True)


def _rounded(value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value


def say_operation(
    operation: str,
    took: Sequence[float],
    health: Sequence[float],
    replayed: Sequence[float],
    *,
    statements: int,
    bound: Bound | None,
    **about: object,
) -> None:
    """Print an operation beside its floor: the p50 of /health plus the p50 of its statements replayed."""
    floor = milliseconds(health) + milliseconds(replayed)
    ratio = milliseconds(took) / floor
    members: dict[str, object] = {
        **about,
        "operation": operation,
        "samples": len(took),
        "p50_ms": milliseconds(took),
        "p95_ms": milliseconds(took, 95),
        "floor_ms": floor,
        "floor_health_ms": milliseconds(health),
        "floor_statements_ms": milliseconds(replayed),
        "ratio": ratio,
        "statements": statements,
    }
    if bound is not None:
        few = bound.statements is None or statements <= bound.statements
        members |= {"most_ratio": bound.ratio, "most_statements": bound.statements}
        members["met"] = ratio <= bound.ratio and few
    say(**members)
