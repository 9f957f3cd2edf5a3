"""`make bench`: the figures of docs/performance.md, measured here and now.

The kit in a sandbox of its own, by the command line, beside `pulumi` typed by hand; then its Airflow, beside another chart
where one is given; and monitoring. Prints a table, or JSON with `--json`.
Nothing here fails on a figure: a benchmark is no test.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tests.bench import kit, listing, monitoring, speed
from tests.bench.figures import Figure, table
from tests.bench.peer import Chart


def main() -> None:
    """Measure, then print."""
    options = _parser().parse_args()
    folder = Path(tempfile.mkdtemp(prefix="aerodrome-bench-"))
    try:
        figures = list(_measure(options, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        sys.stdout.write(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    else:
        sys.stdout.write(table(figures))


def _measure(options: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    runs = max(1, options.runs)
    for name in ("kit", "airflow", "monitoring", "list"):
        (folder / name).mkdir()
    if options.only in (None, "list"):
        yield from listing.measure(folder / "list", runs)
    if options.only in (None, "kit"):
        yield from kit.measure(folder / "kit", runs, cold=options.cold)
    if options.only in (None, "monitoring"):
        yield from monitoring.measure(folder / "monitoring", runs)
    if options.only in (None, "airflow"):
        chart = Chart(options.peer_chart, options.peer_values) if options.peer_chart else None
        setup = speed.Setup(options.executor, options.warm_pool, options.dag_files)
        yield from speed.measure(folder / "airflow", runs, chart, setup)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs of each, of which the median")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--cold", action="store_true", help="the kit also with empty caches (15 minutes)"
    )
    parser.add_argument(
        "--only",
        choices=["kit", "airflow", "monitoring", "list"],
        help="the command line, how fast tasks start, monitoring, or the list of 200 environments",
    )
    parser.add_argument(
        "--peer-chart",
        type=Path,
        metavar="DIR",
        help="another chart of Airflow, installed beside the kit's for the ratio",
    )
    parser.add_argument(
        "--warm-pool", type=int, default=0, metavar="N", help="the kit's workers.warmPool"
    )
    parser.add_argument(
        "--executor", default="KubernetesExecutor", metavar="NAME", help="of both charts"
    )
    parser.add_argument(
        "--dag-files",
        type=int,
        default=0,
        metavar="N",
        help="measure how N DAG files are parsed, instead of tasks",
    )
    parser.add_argument("--peer-values", type=Path, metavar="FILE", help="values for that chart")
    return parser


if __name__ == "__main__":
    main()
