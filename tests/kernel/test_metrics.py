from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from entrepot.kernel.metrics import edge_metrics, metrics_registry, render_metrics


def run(code: str, *arguments: str) -> str:
    """Run a fresh interpreter, since a process decides once how its metrics live."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=60).stdout


def test_one_process() -> None:
    edge_metrics().finished("GET", "/test-one-process", 200, 0.02, 10)
    body, media_type = render_metrics()
    text = body.decode()
    assert media_type.startswith("text/plain; version=")
    assert 'entrepot_http_requests_total{method="GET",route="/test-one-process",status="2xx"} 1.0' in text
    assert 'entrepot_http_response_bytes_total{method="GET",route="/test-one-process"} 10.0' in text
    assert (
        'entrepot_http_request_seconds_bucket{le="0.025",method="GET",route="/test-one-process"} 1.0' in text
    )
    assert "process_resident_memory_bytes" in text
    assert "python_info" in text


def test_metrics_are_made_once() -> None:
    assert metrics_registry() is metrics_registry()
    assert edge_metrics() is edge_metrics()


FORKED = """
import os, sys
from pathlib import Path
import entrepot.kernel.metrics as metrics  # as the command line does, before it prepares

folder = Path(sys.argv[1])
metrics.prepare_multiprocess(folder)
assert not list(folder.glob("*.db"))
pids = []
for number in range(3):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        edge = metrics.edge_metrics()
        edge.in_flight.inc()
        edge.finished("GET", "/x", 200, 0.01, 100)
        os.write(write, b"1")
        os.read(0, 1) if number else os._exit(0)  # the first dies with its request in flight
        os._exit(0)
    os.read(read, 1)
    pids.append(pid)
os.waitpid(pids[0], 0)
print(metrics.render_metrics()[0].decode())
for pid in pids[1:]:
    os.kill(pid, 9)
"""


def test_several_processes_are_added_up(tmp_path) -> None:
    (tmp_path / "left-from-last-time.db").write_bytes(b"")
    text = run(FORKED, str(tmp_path))
    assert 'entrepot_http_requests_total{method="GET",route="/x",status="2xx"} 3.0' in text
    assert 'entrepot_http_response_bytes_total{method="GET",route="/x"} 300.0' in text
    assert 'entrepot_http_request_seconds_count{method="GET",route="/x"} 3.0' in text
    assert "entrepot_http_requests_in_flight 2.0" in text


@pytest.mark.parametrize("given", ["before the import", "never"])
def test_the_variable_of_a_started_process(tmp_path, given) -> None:
    code = """
    import os, sys
    if sys.argv[2] == "before the import":
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
    from entrepot.kernel.metrics import edge_metrics, render_metrics
    edge_metrics().finished("GET", "/x", 404, 0.01, 0)
    print(render_metrics()[0].decode())
    """
    text = run(code, str(tmp_path), given)
    assert 'entrepot_http_requests_total{method="GET",route="/x",status="4xx"} 1.0' in text
    assert bool(list(tmp_path.glob("*.db"))) is (given != "never")
