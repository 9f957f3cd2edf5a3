"""What a benchmark finds out, and how it is shown."""

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table: the median of some samples."""

    what: str
    value: float
    unit: str
    """s, MiB, GiB, or x for a ratio."""

    goal: float | None
    """None: it is measured, and compared with nothing."""

    samples: tuple[float, ...]
    beside: float | None = None
    """What was measured beside it for the same: `pulumi` by hand, or another chart of Airflow."""

    cpu: float | None = None
    """Seconds of processor time, user and system, of the whole process tree; the median too."""

    others: float | None = None
    """How many processors something else kept busy meanwhile: 0 on a quiet machine."""


def median(
    what: str,
    goal: float | None,
    samples: Sequence[float],
    unit: str = "s",
    *,
    beside: float | None = None,
    cpu: Sequence[float] = (),
    others: Sequence[float] = (),
) -> Figure:
    """A figure from samples, told at once to whoever waits."""
    figure = Figure(
        what,
        round(statistics.median(samples), 2),
        unit,
        goal,
        tuple(round(sample, 2) for sample in samples),
        beside,
        round(statistics.median(cpu), 2) if cpu else None,
        round(statistics.median(others), 2) if others else None,
    )
    sys.stderr.write(f"{what}: {figure.value:g} {unit}\n")
    return figure


def table(figures: Sequence[Figure]) -> str:
    """All of it for people; `over` marks what misses its goal."""
    head = f"{'':50} {'measured':>12} {'goal':>8} {'beside it':>12} {'CPU':>8} {'others':>7}"
    lines = [head]
    for figure in figures:
        cells = (
            f"{figure.what:50} {figure.value:9.2f} {figure.unit:3}{_goal(figure):>8}"
            f"{_cell(figure.beside, 13)}{_cell(figure.cpu, 9)}{_cell(figure.others, 8)}"
        )
        over = figure.goal is not None and figure.value > figure.goal
        lines.append(cells + ("  over" if over else ""))
    return "\n".join(lines) + "\n"


def _goal(figure: Figure) -> str:
    return "" if figure.goal is None else f"{figure.goal:g}"


def _cell(value: float | None, width: int) -> str:
    return " " * width if value is None else f"{value:{width}.2f}"
