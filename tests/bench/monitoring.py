"""What monitoring needs, and how long a line and a point take: in a sandbox of its own."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from infra.contract import logs, metrics
from tests.bench import airflow, speed
from tests.bench.airflow import Airflow, Node
from tests.bench.figures import Figure, median
from tests.bench.kit import Kit
from tests.monitored import Monitoring
from tests.unit.images.log_pipeline import Container, event, running

_SANDBOX = ("--env", "sandbox")
_LINES = "bench_lines"
_LOOK_SECONDS = 0.2
_SETTLED_SECONDS = 60
_SHIPPED = 100_000
"""Lines that the shipper is given at once."""


def measure(folder: Path, runs: int) -> Iterator[Figure]:
    """Without it, then with all of it, in one sandbox; last the shipper alone, without a cluster."""
    kit = Kit(folder, runs, speed.checkout(folder / "checkout", speed.Setup()))
    try:
        kit.seconds("./aerodrome", "up", "--no-proof", *_SANDBOX)
        node = Node(kit.by_hand())
        with speed.login(kit) as api:
            for dag in (airflow.ONE, airflow.CHAIN, _LINES):
                api.unpause(dag)
            # Its images are built, and stay where the next `up` finds them.
            _set(kit, "all")
            _set(kit, "none")
            without = _chains(api, node, runs)
            yield median("up with monitoring all, after one without", 90, [_set(kit, "all")])
            yield _memory(node)
            monitoring = Monitoring(Path(node.environment["KUBECONFIG"]))
            yield from _delays_of_lines(api, monitoring)
            yield _delay_of_points(api, monitoring, runs)
            yield _slower(without, _chains(api, node, runs))
    finally:
        kit.down()
    yield from _shipper()


def _set(kit: Kit, value: str) -> float:
    kit.seconds("./aerodrome", "config", "set", "monitoring", value, *_SANDBOX)
    return kit.seconds("./aerodrome", "up", "--no-proof", *_SANDBOX)


def _chains(api: Airflow, node: Node, runs: int) -> list[float]:
    """Seconds of chains of five tasks: twice as many as runs, for a difference of a few per cent."""
    time.sleep(_SETTLED_SECONDS)
    counter = node.counter()
    airflow.run(api, airflow.CHAIN, counter, 0)
    return [airflow.run(api, airflow.CHAIN, counter, 0).seconds for _ in range(2 * runs)]


def _slower(without: list[float], with_all: list[float]) -> Figure:
    ratio = statistics.median(with_all) / statistics.median(without)
    beside = round(statistics.median(without), 2)
    return median("a chain of five tasks with monitoring, ratio", 1.03, [ratio], "x", beside=beside)


def _memory(node: Node) -> Figure:
    time.sleep(_SETTLED_SECONDS)
    held = sum(map(node.working_set, (metrics.NAMESPACE, logs.SHIPPER_NAMESPACE)))
    return median("memory of all monitoring, idle", 1.6, [held / 1024], "GiB")


def _delays_of_lines(api: Airflow, monitoring: Monitoring) -> Iterator[Figure]:
    """From the time that the runtime has written beside a line to the first search that finds it."""
    run = f"bench-{time.time_ns()}"
    api.trigger(_LINES, run)
    seen: dict[int, float] = {}
    over = False
    with monitoring.elasticsearch() as server:
        while not over:
            over = api.run_state(_LINES, run) in ("success", "failed")
            if over:
                time.sleep(10)
            for line in server.search(f"{logs.INDEX}.*", _unseen(run, len(seen))):
                delay = time.time() - _written(line).timestamp()
                seen.setdefault(line["sequence"], delay)
            time.sleep(_LOOK_SECONDS)
    delays = sorted(seen.values())
    yield median("a line, written to found: median", 5, delays)
    yield median("a line, written to found: 99 of 100", 15, [delays[int(len(delays) * 0.99)]])


def _unseen(run: str, seen: int) -> dict[str, Any]:
    """Lines come in order: those after the ones that were seen."""
    return {
        "from": seen,
        "size": 1000,
        "query": {
            "bool": {
                "filter": [{"term": {"dag_id": _LINES}}, {"term": {"run_id": run}}],
                "must": [{"match_phrase": {"message": "bench line"}}],
            }
        },
        "sort": [{"@timestamp": "asc"}, {"sequence": "asc"}],
    }


def _written(line: dict[str, Any]) -> datetime:
    """Python reads microseconds, and no nanoseconds."""
    return datetime.fromisoformat(f"{line['@timestamp'].rstrip('Z')[:26]}").replace(tzinfo=UTC)


def _delay_of_points(api: Airflow, monitoring: Monitoring, runs: int) -> Figure:
    """From a task's end, as Airflow has it, to the first answer that counts it."""
    delays = []
    with monitoring.influxdb() as influxdb:

        def finished() -> int:
            query = f'SELECT sum("value") AS n FROM "airflow_ti_finish" WHERE "dag_id" = \'{airflow.ONE}\''
            return sum(int(row["n"]) for row in influxdb.rows(query))

        for _ in range(2 * runs):
            before, run = finished(), f"bench-{time.time_ns()}"
            api.trigger(airflow.ONE, run)
            _until(lambda before=before: finished() > before)
            found = time.time()
            _until(lambda run=run: api.run_state(airflow.ONE, run) == "success")
            (task,) = api.tasks(airflow.ONE, run)
            delays.append(found - datetime.fromisoformat(task["end_date"]).timestamp())
    return median("a task's end to its point in InfluxDB", 12, delays)


def _until(found: Callable[[], bool], seconds: float = 120) -> None:
    give_up = time.monotonic() + seconds
    while not found():
        if time.monotonic() > give_up:
            raise TimeoutError("What the benchmark waits for did not come")
        time.sleep(_LOOK_SECONDS)


def _shipper() -> Iterator[Figure]:
    """The shipper of the image on one processor, before a real Elasticsearch, given a file with many lines."""
    with (
        tempfile.TemporaryDirectory(prefix="aerodrome-bench-") as folder,
        running(Path(folder)) as it,
    ):
        it.stop("shipper")
        fields = {"dag_id": "bench", "task_id": "write", "run_id": "run", "try_number": 1}
        lines = [event(f"line {number} of a task", **fields) for number in range(_SHIPPED)]
        Container(it.path("logs"), "airflow", "bench", str(next(count()))).write(*lines)
        it.start("shipper")
        begun = time.monotonic()
        it.pin("shipper", 0)
        it.wait(lambda: it.count() >= _SHIPPED, 600)
        seconds, cpu = time.monotonic() - begun, it.processor_seconds("shipper")
    yield median("shipper: lines a second on one processor", None, [_SHIPPED / seconds], "")
    yield median("shipper: processor ms for each 1,000 lines", None, [cpu * 1e6 / _SHIPPED], "ms")
