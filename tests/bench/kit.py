"""The kit as a user lives with it, by the command line, in a sandbox of its own."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.figures import Figure, median
from tests.bench.measuring import ROOT, cost

_BRANCH = ("--branch", "bench/branch", "--base", "sandbox")

_SETTLED_SECONDS = 60
"""Airflow's first minute is not what "idle" means."""


class Kit:
    """A sandbox for measuring, beside the user's."""

    def __init__(self, folder: Path, runs: int, checkout: Path = ROOT) -> None:
        self.runs = runs
        self.checkout = checkout
        self.environment = {
            **os.environ,
            "AERODROME_STATE": str(folder / "state"),
            "AERODROME_SANDBOX": f"bench-{os.getpid()}",
            "AERODROME_UI_PORT": "18080",
        }

    def seconds(self, *argv: str) -> float:
        """The wall time of a command that must succeed."""
        return cost(argv, self.environment, self.checkout).wall

    def several(self, what: str, goal: float, argv: Sequence[str]) -> Figure:
        """A command that can be repeated as it is."""
        costs = [cost(argv, self.environment, self.checkout) for _ in range(self.runs)]
        return median(
            what,
            goal,
            [each.wall for each in costs],
            cpu=[each.cpu for each in costs],
            others=[each.others for each in costs],
        )

    def use_no_cache(self, folder: Path) -> None:
        """As on a machine that has nothing."""
        for name in ("AERODROME_CACHE", "GOCACHE", "GOMODCACHE", "UV_CACHE_DIR"):
            self.environment[name] = str(folder / name)
        # Go keeps its modules read-only otherwise, and they could not be removed.
        self.environment["GOFLAGS"] = "-modcacherw"

    def by_hand(self) -> dict[str, str]:
        """The environment of somebody who types `pulumi`."""
        told = subprocess.run(
            ["./aerodrome", "sandbox", "env", "--json"],
            cwd=self.checkout,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(told.stdout)
        kept = {key: value for key, value in self.environment.items() if key not in found["unset"]}
        return kept | dict(found["variables"])

    def memory(self) -> float:
        """GiB held by the sandbox's processes, page cache not counted."""
        status = subprocess.run(
            ["./aerodrome", "status", "--env", "sandbox", "--json"],
            cwd=self.checkout,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return float(json.loads(status.stdout)["sandbox"]["memoryBytes"]) / 1024**3

    def down(self) -> None:
        """Whatever state it is in; what it prints would be taken for a part of the result."""
        subprocess.run(
            ["make", "down"],
            cwd=self.checkout,
            env=self.environment,
            capture_output=True,
            check=False,
        )


def measure(folder: Path, runs: int, *, cold: bool) -> Iterator[Figure]:
    """The whole life of an environment, in the order in which a user lives it."""
    kit = Kit(folder, runs)
    try:
        if cold:
            kit.use_no_cache(folder / "cold")
            yield median(
                "make up, nothing cached, no pulumi there", 780, [kit.seconds("make", "up")]
            )
            kit.seconds("make", "down")
        kit.seconds("make", "setup")
        ups, downs = [], []
        for run in range(runs):
            ups.append(kit.seconds("make", "up"))
            if run == runs - 1:
                yield from _standing(kit)
            downs.append(kit.seconds("make", "down"))
        yield median("make up, built things cached, sandbox down", 75, ups)
        yield median("make down", 40, downs)
    finally:
        kit.down()


def _standing(kit: Kit) -> Iterator[Figure]:
    """What is measured while the environment stands."""
    time.sleep(_SETTLED_SECONDS)
    yield median("memory of the idle sandbox, Airflow included", 1.9, [kit.memory()], "GiB")
    # By name: on a branch's checkout the plain command means the branch.
    base = ["--env", "sandbox"]
    yield from _beside_pulumi(
        kit,
        "up with nothing to change",
        6,
        ["./aerodrome", "up", *base],
        ["pulumi", "up", "--skip-preview", "--yes", "-s", "sandbox", "--non-interactive"],
    )
    yield from _beside_pulumi(
        kit,
        "preview of the whole program",
        5,
        ["./aerodrome", "preview", *base],
        ["pulumi", "preview", "-s", "sandbox", "--non-interactive"],
    )
    yield from _branch(kit)


def _beside_pulumi(
    kit: Kit, what: str, goal: float, ours: Sequence[str], theirs: Sequence[str]
) -> Iterator[Figure]:
    """A command, and what somebody types who does without it: turn by turn, for the ratio."""
    by_hand = kit.by_hand()
    pairs = [
        (cost(ours, kit.environment).wall, cost(theirs, by_hand).wall) for _ in range(kit.runs)
    ]
    yield median(f"aerodrome: {what}", goal, [mine for mine, _ in pairs])
    yield median(f"pulumi by hand: {what}", goal, [hand for _, hand in pairs])
    yield median(f"ratio: {what}", 1.15, [mine / hand for mine, hand in pairs], "x")


def _branch(kit: Kit) -> Iterator[Figure]:
    """An environment that stands on it. `up` ends when scheduler and API have shown that they live."""
    up = ["./aerodrome", "up", *_BRANCH, "--no-proof"]
    ups, downs = [], []
    for run in range(kit.runs):
        ups.append(kit.seconds(*up))
        if run == 0:
            yield kit.several("branch: up with nothing to change", 6, up)
        downs.append(kit.seconds("./aerodrome", "down", *_BRANCH))
    yield median("branch: from nothing to a scheduler that runs tasks", 32, ups)
    yield median("branch: down, empty inventory included", 20, downs)
