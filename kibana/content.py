"""The data view, the saved searches and the dashboard. Their ids are addresses: who changes one breaks links to it."""

from typing import Final

from infra.contract import logs
from kibana.objects import Dashboard, DataView, Panel, SavedObject, Search, Table

SLOW_SECONDS: Final = 60

LINES: Final = DataView(
    logs.DATA_VIEW, "Airflow's logs", f"{logs.INDEX}.*", "@timestamp", seconds=["duration"]
)

_NEWEST: Final = (("@timestamp", "desc"), ("sequence", "desc"))
_TASK: Final = ("dag_id", "run_id", "task_id", "try_number", "map_index")

RUN: Final = Search(
    "aerodrome-run",
    "Airflow: a run",
    'The lines of tasks, in their order. For one run add its names to the query: AND dag_id:"..." AND run_id:"...".',
    LINES,
    "_exists_:run_id",
    ("task_id", "try_number", "map_index", "level", "message"),
    (("@timestamp", "asc"), ("sequence", "asc")),
)

FAILED: Final = Search(
    "aerodrome-failed",
    "Airflow: failed tasks, their last lines",
    "How tries ended that failed or are tried again, with their errors and tracebacks, newest first.",
    LINES,
    "_exists_:task_id AND (final_state:(failed OR up_for_retry) OR level:(error OR critical) OR _exists_:traceback)",
    (*_TASK, "final_state", "message", "traceback"),
    _NEWEST,
)

ERRORS: Final = Search(
    "aerodrome-errors",
    "Airflow: errors by DAG",
    "Lines of the levels error and critical.",
    LINES,
    "_exists_:dag_id AND level:(error OR critical)",
    ("dag_id", "task_id", "run_id", "logger", "message"),
    (("dag_id", "asc"), *_NEWEST),
)

SLOW: Final = Search(
    "aerodrome-slow",
    "Airflow: slow tasks",
    f"Tries that ran for {SLOW_SECONDS} seconds or more, the slowest first.",
    LINES,
    f"_exists_:final_state AND duration:[{SLOW_SECONDS} TO *]",
    ("duration", "final_state", *_TASK),
    (("duration", "desc"), ("@timestamp", "desc")),
)

SEARCHES: Final = (RUN, FAILED, ERRORS, SLOW)

ERRORS_BY_DAG: Final = Table(
    "aerodrome-errors-by-dag", "Airflow: lines with errors, by DAG", ERRORS, ["dag_id"], "Lines"
)
SLOWEST: Final = Table(
    "aerodrome-slowest-tasks",
    "Airflow: slowest tasks",
    SLOW,
    ["dag_id", "task_id"],
    "Longest try",
    highest="duration",
)

TABLES: Final = (ERRORS_BY_DAG, SLOWEST)

DASHBOARD: Final = Dashboard(
    "aerodrome-logs",
    "Airflow: logs",
    "What failed, what is slow, and the lines of a run: choose it above.",
    LINES,
    (
        Panel(ERRORS_BY_DAG, 0, 0, 24, 12),
        Panel(SLOWEST, 24, 0, 24, 12),
        Panel(FAILED, 0, 12, 48, 16),
        Panel(RUN, 0, 28, 48, 24),
    ),
    {"environment": "Environment", "dag_id": "DAG", "run_id": "Run", "task_id": "Task"},
)


def all_objects() -> list[SavedObject]:
    """What is referred to comes first."""
    return [one.build() for one in (LINES, *SEARCHES, *TABLES, DASHBOARD)]
