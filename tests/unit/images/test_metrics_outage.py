"""An InfluxDB that is away for ten minutes of a busy environment: as many points as that, through Telegraf's disk.

Not the time but the number of points could lose any, so no test waits for ten minutes.
"""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.charts.test_monitoring import DEFAULTS
from tests.unit.images import metrics_pipeline
from tests.unit.images.metrics_pipeline import Pipeline
from tests.unit.images.real_airflow import until

DAGS = 1000
TASKS = 30
ENDED, LASTED = "airflow_ti_finish", "airflow_task_duration"
POINTS = 2 * DAGS * TASKS
"""More than 6,000 tries of tasks in ten minutes, at nine points for each (docs/monitoring.md)."""

PATIENCE = 300.0
LIMIT = DEFAULTS["telegraf"]["resources"]["limits"]["memory"]

MARKS = (ENDED.encode(), LASTED.encode())
AT_ONCE = 200
"""Lines that wait in the socket: far fewer than it has room for."""

TOGETHER = 5000
"""Lines of one of Telegraf's intervals, a hundred times what those ten minutes have. Until it ends, each series of a
timing takes 16 KB (room for a thousand values, twice): of all lines at once that memory would be the test's own."""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with metrics_pipeline.running(tmp_path_factory.mktemp("outage")) as found:
        yield found


def lines(tasks: range) -> Iterator[str]:
    """As Airflow's client writes them (test_metrics_pipeline.py asks that one): a series for each try."""
    for dag in range(DAGS):
        for task in tasks:
            tags = f"dag_id=dag-{dag},task_id=task-{task},environment=dev"
            yield f"airflow.ti.finish,{tags},state=success:1|c"
            yield f"airflow.task.duration,{tags}:{task}|ms"


def send(pipeline: Pipeline, tasks: range) -> None:
    """No faster than Telegraf reads, for what UDP loses is not what is tried here, until all is on its disk."""
    told = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    waiting = list(lines(tasks))
    before = kept(pipeline)
    for start in range(0, len(waiting), AT_ONCE):
        for line in waiting[start : start + AT_ONCE]:
            told.sendto(line.encode(), ("127.0.0.1", pipeline.statsd_port))
        until(lambda: _queue(pipeline)[0] == 0, pause=0.01)
        sent = min(start + AT_ONCE, len(waiting))
        if sent % TOGETHER == 0 or sent == len(waiting):
            _keeps(pipeline, before + sent)
    assert _queue(pipeline)[1] == 0


def _keeps(pipeline: Pipeline, points: int) -> None:
    until(lambda: kept(pipeline) >= points, PATIENCE)


def _queue(pipeline: Pipeline) -> tuple[int, int]:
    """Bytes that wait in Telegraf's socket, and packets that it has lost."""
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{pipeline.statsd_port:04X}"):
            return int(fields[4].partition(":")[2], 16), int(fields[-1])
    raise AssertionError("Telegraf does not listen")


def kept(pipeline: Pipeline) -> int:
    """Points on Telegraf's disk, those included that InfluxDB has had since the last tidying."""
    files = (pipeline.folder / "telegraf" / "buffer").rglob("*")
    return sum(one.read_bytes().count(mark) for one in files if one.is_file() for mark in MARKS)


def stored(pipeline: Pipeline) -> dict[str, int]:
    """Points that InfluxDB has."""
    found = {}
    for name, value in ((ENDED, "value"), (LASTED, "count")):
        rows = pipeline.ask(f'SELECT count("{value}") AS points FROM "{name}"')
        found[name] = int(rows[0]["points"]) if rows else 0
    return found


def peak(pipeline: Pipeline) -> int:
    """The most memory that Telegraf's process has had, in MiB."""
    status = Path(f"/proc/{pipeline.processes['telegraf'].pid}/status").read_text()
    (line,) = [one for one in status.splitlines() if one.startswith("VmHWM:")]
    return int(line.split()[1]) // 1024


@pytest.mark.slow
def test_ten_minutes_without_influxdb_and_telegraf_killed_twice_lose_and_repeat_nothing(
    pipeline: Pipeline,
) -> None:
    pipeline.stop("influxd", signal.SIGKILL)
    half = TASKS // 2
    send(pipeline, range(half))
    memory = [peak(pipeline)]
    pipeline.stop("telegraf", signal.SIGKILL)
    pipeline.start("telegraf")
    send(pipeline, range(half, TASKS))
    assert kept(pipeline) >= POINTS
    memory.append(peak(pipeline))
    # What waits is not what takes a pod's memory.
    assert max(memory) < int(LIMIT.removesuffix("Mi"))
    pipeline.set_up()
    pipeline.start("influxd")
    # Killed once more, while it hands over.
    until(lambda: sum(stored(pipeline).values()) > 0, pause=0.05)
    pipeline.stop("telegraf", signal.SIGKILL)
    pipeline.start("telegraf")
    until(lambda: sum(stored(pipeline).values()) >= POINTS, PATIENCE)
    assert stored(pipeline) == {ENDED: DAGS * TASKS, LASTED: DAGS * TASKS}
    # Each series has one point: what was sent twice took its own place.
    for name, value in ((ENDED, "value"), (LASTED, "count")):
        (row,) = pipeline.ask(
            f'SELECT count("once") AS found, max("once") AS most FROM '
            f'(SELECT count("{value}") AS "once" FROM "{name}" GROUP BY *)'
        )
        assert (row["found"], row["most"]) == (DAGS * TASKS, 1)
