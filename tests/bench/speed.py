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

from tests.bench import airflow, parsing, peer
from tests.bench.airflow import Airflow, Node, Run
from tests.bench.figures import Figure, median
from tests.bench.kit import Kit
from tests.bench.measuring import ROOT

_SANDBOX = ("--env", "sandbox")
_SETTLED_SECONDS = 30


@dataclass(frozen=True)
class Setup:
    """What is measured."""

    executor: str = "KubernetesExecutor"
    warm_pool: int = 0
    """The kit's `workers.warmPool`."""

    dag_files: int = 0
    """So many files with a DAG of two tasks each, beside the benchmark's own."""


@dataclass
class _Installation:
    """One Airflow, and what was found out about it."""

    namespace: str
    api: Airflow
    start: float = 0.0
    parsed: parsing.Parsing | None = None
    memory: float = 0.0
    runs: dict[str, list[Run]] | None = None


def measure(folder: Path, runs: int, chart: peer.Chart | None, setup: Setup) -> Iterator[Figure]:
    """Install, run the DAGs `runs` times in each installation by turns, and take the medians."""
    kit = Kit(folder, runs, checkout(folder / "checkout", setup))
    try:
        with ExitStack() as stack:
            kit.seconds("./aerodrome", "config", "set", "executor", setup.executor, *_SANDBOX)
            kit.seconds("./aerodrome", "up", "--no-proof", *_SANDBOX)
            node = Node(kit.by_hand())
            ours = _Installation("airflow", stack.enter_context(login(kit)))
            ours.start = node.first_start(ours.namespace)
            _parse(ours, node, setup)
            theirs = None
            if chart:
                peer.install(chart, node, folder, setup.executor)
                url = stack.enter_context(peer.address(node))
                theirs = _Installation(
                    peer.NAMESPACE, stack.enter_context(Airflow(url, *peer.LOGIN))
                )
                theirs.start = node.first_start(theirs.namespace)
                _parse(theirs, node, setup)
            if setup.dag_files:
                yield from _parsing_figures(setup.dag_files, ours, theirs)
            else:
                _run([ours, theirs] if theirs else [ours], node, runs)
                yield from _figures(ours, theirs)
    finally:
        kit.down()


def checkout(folder: Path, setup: Setup) -> Path:
    """A clone whose image has the DAGs of the benchmark, too, and whose executor has so many pods that wait."""
    subprocess.run(["git", "clone", "--quiet", "--local", str(ROOT), str(folder)], check=True)
    (folder / ".venv").symlink_to((ROOT / ".venv").resolve())
    for file in airflow.DAGS.glob("*.py"):
        shutil.copy(file, folder / "images" / "airflow" / "dags")
    if setup.dag_files:
        parsing.write(folder / "images" / "airflow" / "dags" / "many", setup.dag_files)
    (folder / "values" / "sandbox.yaml").write_text(f"workers:\n  warmPool: {setup.warm_pool}\n")
    return folder


def login(kit: Kit) -> Airflow:
    """The Airflow of the base of its sandbox."""
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


def _parse(one: _Installation, node: Node, setup: Setup) -> None:
    """With no other dag-processor at work, neither before nor afterwards."""
    if setup.dag_files:
        one.parsed = parsing.measure(node, one.namespace, one.api, setup.dag_files)
        node.stop(one.namespace, "dag-processor")


def _parsing_figures(
    files: int, ours: _Installation, theirs: _Installation | None
) -> Iterator[Figure]:
    def figure(what: str, unit: str, part: str) -> Figure:
        mine = getattr(ours.parsed, part)
        beside = getattr(theirs.parsed, part) if theirs else None
        goal = math.inf if beside is None else beside / 2
        return median(what, round(goal, 2), [mine], unit, beside=beside)

    yield figure(f"{files} DAG files: dag-processor's start to the last DAG", "s", "first")
    yield figure(f"{files} DAG files: processors of the dag-processor at rest", "", "rest")
    yield figure(f"{files} DAG files: memory of the dag-processor", "MiB", "memory")


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
