"""Figures about requests for Prometheus, right with one server process and with several."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.gc_collector import GCCollector
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

__all__ = ["EdgeMetrics", "edge_metrics", "metrics_registry", "prepare_multiprocess", "render_metrics"]

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
METHODS = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)


class EdgeMetrics:
    """What is counted about requests; ``route`` is a route's template, never a path."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("method", "route", "status")
        self.in_flight = Gauge(
            "entrepot_http_requests_in_flight",
            "Requests being answered.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._requests = Counter("entrepot_http_requests", "Requests answered.", labels, registry=registry)
        self._bytes = Counter(
            "entrepot_http_response_bytes", "Bytes of bodies sent.", labels[:2], registry=registry
        )
        self._seconds = Histogram(
            "entrepot_http_request_seconds",
            "Seconds from a request's head to the end of its answer.",
            labels[:2],
            registry=registry,
            buckets=SECONDS,
        )
        self._series: dict[tuple[str, str, int], tuple[Counter, Counter, Histogram]] = {}

    def finished(self, method: str, route: str, status: int, seconds: float, sent: int) -> None:
        """Count an answer; ``seconds`` is its duration, ``sent`` its body in bytes."""
        key = (method if method in METHODS else "OTHER", route, status // 100)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = (
                self._requests.labels(key[0], route, f"{key[2]}xx"),
                self._bytes.labels(key[0], route),
                self._seconds.labels(key[0], route),
            )
        requests, sent_bytes, duration = series
        requests.inc()
        sent_bytes.inc(sent)
        duration.observe(seconds)


@cache
def metrics_registry() -> CollectorRegistry:
    """Give this process's registry, made at first use; all applications in a process share it."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry


@cache
def edge_metrics() -> EdgeMetrics:
    """Give this process's request metrics, made at first use."""
    return EdgeMetrics(metrics_registry())


def prepare_multiprocess(folder: Path) -> None:
    """Let server processes started from here add up their metrics in ``folder``, which is emptied.

    To be called in the parent, before any metric is made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("*.db"):
        left.unlink()
    os.environ[FOLDER] = str(folder)
    # The library chose where values live when it was imported, and a forked process won't import it again.
    values.ValueClass = values.get_value_class()


def render_metrics() -> tuple[bytes, str]:
    """Write out the metrics as text; gives the body and its media type.

    With several processes it reads their files: milliseconds that belong into a thread.
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        return generate_latest(metrics_registry()), CONTENT_TYPE_LATEST
    _forget_dead(Path(folder))
    together = CollectorRegistry()
    MultiProcessCollector(together, path=folder)
    return generate_latest(together), CONTENT_TYPE_LATEST


def _forget_dead(folder: Path) -> None:
    """Drop the gauges of processes that have died, so that they no longer count as live."""
    for file in folder.glob("gauge_live*_*.db"):
        if not _alive(int(file.stem.rpartition("_")[2])):
            file.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
