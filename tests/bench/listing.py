"""`aerodrome list` with many environments on AWS that were never deployed: `tests.many_environments` says what is real."""

from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Figure, median
from tests.bench.measuring import ROOT, cost
from tests.many_environments import deployed

COUNT = 200
GOAL = 2


def measure(folder: Path, runs: int) -> Iterator[Figure]:
    """The whole process, from its start to its end. Emulator, API server and what answers for Airflow share its machine."""
    with deployed(folder, COUNT) as many:
        argv = [str(ROOT / ".venv/bin/python"), "-m", "cli", "list", "--json"]
        costs = [cost(argv, many.variables) for _ in range(runs)]
    yield median(
        f"list with {COUNT} environments",
        GOAL,
        [each.wall for each in costs],
        cpu=[each.cpu for each in costs],
        others=[each.others for each in costs],
    )
