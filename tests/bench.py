"""`make bench`: the figures of docs/performance.md, measured here and now.

Everything is done by the command line, in a sandbox of its own beside the user's. Prints a
table, and the same as JSON with `--json`. `--cold` adds the first `make up` of a bare machine:
empty caches, ten minutes. Nothing here fails on a figure: a benchmark is no test.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Figure:
    """One row of the table. `unit` is s or GiB."""

    what: str
    value: float
    unit: str
    goal: float
    samples: tuple[float, ...]


class Bench:
    """A sandbox for measuring, and what was measured."""

    def __init__(self, folder: Path, runs: int) -> None:
        self.runs = runs
        self.figures: list[Figure] = []
        self.environment = {
            **os.environ,
            "AERODROME_STATE": str(folder / "state"),
            "AERODROME_SANDBOX": f"bench-{os.getpid()}",
            "AERODROME_UI_PORT": "18080",
        }

    def seconds(self, argv: Sequence[str]) -> float:
        """The wall time of a command that must succeed."""
        started = time.monotonic()
        done = subprocess.run(
            argv, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - started
        if done.returncode != 0:
            sys.exit(f"{' '.join(argv)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return seconds

    def add(self, what: str, goal: float, samples: Sequence[float], unit: str = "s") -> None:
        """Keep the median of some samples."""
        value = statistics.median(samples)
        self.figures.append(Figure(what, round(value, 2), unit, goal, tuple(samples)))
        sys.stderr.write(f"{what}: {value:.2f} {unit}\n")

    def memory(self) -> float:
        """GiB held by the sandbox's processes, page cache not counted."""
        status = subprocess.run(
            ["./aerodrome", "status", "--json"],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return float(json.loads(status.stdout)["sandbox"]["memoryBytes"]) / 1024**3


def measure(bench: Bench, cold_folder: Path | None) -> None:
    """The whole life of an environment, in the order in which a user lives it."""
    try:
        if cold_folder is not None:
            for name in ("AERODROME_CACHE", "GOCACHE", "GOMODCACHE", "UV_CACHE_DIR"):
                bench.environment[name] = str(cold_folder / name)
            # Go keeps its modules read-only otherwise, and they could not be removed.
            bench.environment["GOFLAGS"] = "-modcacherw"
            bench.add("make up, nothing cached", 600, [bench.seconds(["make", "up"])])
            bench.seconds(["make", "down"])
        bench.seconds(["make", "setup"])
        ups, downs = [], []
        for run in range(bench.runs):
            ups.append(bench.seconds(["make", "up"]))
            if run == bench.runs - 1:
                standing(bench)
            downs.append(bench.seconds(["make", "down"]))
        bench.add("make up, built things cached, sandbox down", 90, ups)
        bench.add("make down", 40, downs)
    finally:
        # What it prints would be taken for a part of the result.
        subprocess.run(
            ["make", "down"], cwd=ROOT, env=bench.environment, capture_output=True, check=False
        )


def standing(bench: Bench) -> None:
    """What is measured while the environment stands."""
    time.sleep(60)  # Airflow's first minute is not what "idle" means.
    bench.add("memory of the idle sandbox, Airflow included", 2.5, [bench.memory()], "GiB")
    nothing = [bench.seconds(["./aerodrome", "up"]) for _ in range(bench.runs)]
    bench.add("aerodrome up with nothing to change", 4, nothing)
    previews = [bench.seconds(["./aerodrome", "preview"]) for _ in range(bench.runs)]
    bench.add("preview of the whole program", 4, previews)


def main() -> None:
    """Measure, then print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--cold", action="store_true", help="also with empty caches (10 minutes)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each, of which the median")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="aerodrome-bench-"))
    bench = Bench(folder, max(1, options.runs))
    try:
        measure(bench, folder / "cold" if options.cold else None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        sys.stdout.write(json.dumps([asdict(figure) for figure in bench.figures], indent=2) + "\n")
        return
    for figure in bench.figures:
        line = f"{figure.what:50} {figure.value:8.2f} {figure.unit:4} goal {figure.goal:g}"
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
