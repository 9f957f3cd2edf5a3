"""How fast tasks start in the kit's Airflow, beside another chart's where one is given: turn by turn, in one sandbox."""

import math
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cli.base.airflow import Airflow
from tests.bench import airflow, peer
from tests.bench.airflow import Node, Run
from tests.bench.figures import Figure, median
from tests.bench.kit import Kit
from tests.bench.measuring import ROOT

_SETTLED_SECONDS = 30


@dataclass
class _Installation:
    """One Airflow, and what was found out about it."""

    namespace: str
    api: Airflow
    start: float = 0.0
    memory: float = 0.0
    runs: dict[str, list[Run]] | None = None


def measure(
    folder: Path, runs: int, chart: peer.Chart | None, warm_pool: int = 0
) -> Iterator[Figure]:
    """Install, run the DAGs `runs` times in each installation by turns, and take the medians."""
    checkout = _checkout(folder / "checkout", warm_pool)
    kit = Kit(folder, runs, checkout)
    try:
        with ExitStack() as stack:
            kit.seconds("./aerodrome", "up", "--env", "sandbox", "--no-proof")
            node = Node(kit.by_hand())
            installations = [_Installation("airflow", stack.enter_context(_login(kit)))]
            installations[0].start = node.first_start("airflow")
            if chart:
                peer.install(chart, node, folder)
                url = stack.enter_context(peer.address(node))
                api = stack.enter_context(Airflow(url, *peer.LOGIN))
                installations.append(_Installation(peer.NAMESPACE, api))
                installations[1].start = node.first_start(peer.NAMESPACE)
            _run(installations, node, runs)
            yield from _figures(*installations)
    finally:
        kit.down()


def _checkout(folder: Path, warm_pool: int) -> Path:
    """A clone whose image has the DAGs of the benchmark, too, and whose executor has so many pods that wait."""
    subprocess.run(["git", "clone", "--quiet", "--local", str(ROOT), str(folder)], check=True)
    (folder / ".venv").symlink_to((ROOT / ".venv").resolve())
    for file in airflow.DAGS.glob("*.py"):
        shutil.copy(file, folder / "images" / "airflow" / "dags")
    (folder / "values" / "sandbox.yaml").write_text(f"workers:\n  warmPool: {warm_pool}\n")
    return folder


def _login(kit: Kit) -> Airflow:
    password = subprocess.run(
        ["./aerodrome", "config", "get", "adminPassword", "--show", "--env", "sandbox"],
        cwd=kit.checkout,
        env=kit.environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()[-1]
    port = kit.environment["AERODROME_UI_PORT"]
    return Airflow(f"http://127.0.0.1:{port}", "admin", password)


def _run(installations: list[_Installation], node: Node, runs: int) -> None:
    for each in installations:
        for dag in (airflow.ONE, airflow.CHAIN, airflow.MAPPED):
            each.api.unpause(dag)
        each.runs = {airflow.ONE: [], airflow.CHAIN: [], airflow.MAPPED: []}
    time.sleep(_SETTLED_SECONDS)
    counter = node.counter()
    at_rest = airflow.idle(counter)
    for each in installations:
        each.memory = node.working_set(each.namespace)
    for _ in range(runs):
        for dag in (airflow.ONE, airflow.CHAIN, airflow.MAPPED):
            for each in installations:
                assert each.runs is not None
                each.runs[dag].append(airflow.run(each.api, dag, counter, at_rest))


def _figures(ours: _Installation, theirs: _Installation | None = None) -> Iterator[Figure]:
    def figure(what: str, goal: float, unit: str, dag: str, part: str) -> Figure:
        def samples(of: _Installation) -> list[float]:
            return [getattr(run, part) for run in (of.runs or {})[dag]]

        beside = round(statistics.median(samples(theirs)), 2) if theirs else None
        return median(what, goal, samples(ours), unit, beside=beside)

    yield figure("queued to started, one task", 1.3, "s", airflow.ONE, "queued")
    yield figure("a chain of five tasks", 9, "s", airflow.CHAIN, "seconds")
    yield figure("twenty mapped tasks", 20, "s", airflow.MAPPED, "seconds")
    yield figure("processor time of an empty task", _cpu(theirs) / 2, "s", airflow.CHAIN, "cpu")
    yield median(
        "first pod to all ready", 25, [ours.start], beside=theirs.start if theirs else None
    )
    yield median(
        "memory of the namespace, idle",
        round(theirs.memory / 2) if theirs else math.inf,
        [ours.memory],
        "MiB",
        beside=round(theirs.memory) if theirs else None,
    )


def _cpu(of: _Installation | None) -> float:
    """Without another chart there is no goal."""
    if of is None:
        return math.inf
    return statistics.median(run.cpu for run in (of.runs or {})[airflow.CHAIN])
