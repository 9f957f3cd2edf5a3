"""The embedded engine, on programs whose cost under Pulumi's own engine is known.

The real engine's figures were taken on a machine of the same kind, with `up` skipping its
preview, with the file backend and a passphrase; AWS was a plugin that makes its answers up. Here the aws
plugin is the sandbox's, and what it asks is answered by the emulator, whose time and
memory are not counted. There is no Kubernetes on either side of the EKS program.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.emulator import emulator
from tests.bench.figures import Figure, median
from tests.bench.measuring import Cost, cost, memory

_PROGRAMS = Path(__file__).parent / "programs"
_GIB = 1024.0
_PASSPHRASE = "benchmark"


@dataclass(frozen=True)
class Goal:
    """Seconds that must be reached, and those of the real engine."""

    up: float
    nothing: float
    destroy: float
    memory: float
    """MiB: what tools that read /proc call MB, as in the figures of the real engine."""

    real: tuple[float, float, float, float] | None = None
    """Pulumi's own: up, nothing to change, destroy, MiB."""


@dataclass(frozen=True)
class Case:
    """A program, and what is asked of the engine."""

    name: str
    program: str
    goal: Goal
    environment: Mapping[str, str] = field(default_factory=dict)


def components(count: int, goal: Goal) -> Case:
    return Case(f"{count:,} components", "components", goal, {"COMPONENTS": str(count)})


COMPONENTS = {
    100: Goal(1.5, 1.0, 0.5, 224, (2.6, 2.0, 1.5, 224)),
    500: Goal(4, 3, 2, 251, (19.8, 3.9, 8.4, 251)),
    5000: Goal(40, 30, 20, _GIB),
}
EKS = Goal(4, 3, 1.5, 350, (5.0, 5.0, 1.6, 708))
GROWTH = (500, 5000)


def measure(folder: Path, runs: int) -> Iterator[Figure]:
    """All programs, each `runs` times from nothing to nothing."""
    found: dict[int, list[Figure]] = {}
    for count, goal in COMPONENTS.items():
        found[count] = list(_measure(components(count, goal), folder, runs))
        yield from found[count]
    yield from _growth(found)
    with emulator(folder / "aws") as variables:
        yield from _measure(Case("the EKS program", "eks", EKS, variables), folder, runs)


def _measure(case: Case, folder: Path, runs: int) -> Iterator[Figure]:
    costs: dict[str, list[Cost]] = {"up": [], "up, nothing changed": [], "destroy": []}
    for _ in range(runs):
        for name, seconds in costs.items():
            seconds.append(cost(*_command(case, folder, name)))
    peaks = [memory(*_command(case, folder, name)) for name in costs]
    goals = (case.goal.up, case.goal.nothing, case.goal.destroy)
    real = case.goal.real or (None, None, None, None)
    for (name, seconds), goal, theirs in zip(costs.items(), goals, real[:3], strict=True):
        yield median(
            f"{case.name}: {name}",
            goal,
            [each.wall for each in seconds],
            real=theirs,
            cpu=[each.cpu for each in seconds],
            others=[each.others for each in seconds],
        )
    peak = max(each.resident for each in peaks)
    yield median(f"{case.name}: memory", case.goal.memory, [peak], "MiB", real=real[3])
    once = max(each.proportional for each in peaks)
    yield median(f"{case.name}: memory, shared counted once", case.goal.memory, [once], "MiB")


def _growth(found: Mapping[int, list[Figure]]) -> Iterator[Figure]:
    """How much more the larger program costs: linear is the ratio of their sizes, or less."""
    small, large = GROWTH
    for before, after in zip(found[small][:3], found[large][:3], strict=True):
        name = before.what.partition(": ")[2]
        ratio = [after.value / before.value]
        yield median(f"{small:,} to {large:,} components: {name}", large / small, ratio, "x")


def _command(case: Case, folder: Path, name: str) -> tuple[list[str], dict[str, str]]:
    # The plain `up` ends after its preview if that finds nothing to do: one pass, as the
    # real engine's without a preview.
    verb = {"up": ["up", "--skip-preview"], "destroy": ["destroy"]}.get(name, ["up"])
    state = folder / "state" / case.name
    argv = [sys.executable, "-m", "sandbox.engine", *verb, "--stack", "dev"]
    argv += ["--project-dir", str(_PROGRAMS / case.program), "--state-dir", str(state)]
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("AERODROME_", "AWS_", "KUBE", "PULUMI_", "PYTHON"))
    }
    return argv, kept | {"PULUMI_CONFIG_PASSPHRASE": _PASSPHRASE} | dict(case.environment)
