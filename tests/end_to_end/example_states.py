"""What becomes of every task of every example DAG: the table, beside the DAGs in `images/airflow/dags/examples`.

A task is named by its id, a mapped one with its index: `power[0]`. Failures and skips are part of some
examples; here they are expected, like the state of the run that follows from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

GREEN, RED, SKIPPED, BLOCKED = "success", "failed", "skipped", "upstream_failed"


@dataclass(frozen=True)
class Expected:
    """One run of one DAG."""

    tasks: Mapping[str, str]
    run: str = GREEN
    started_by: str = ""
    """The DAG whose run starts this one; empty: whoever triggers it."""
    together_with: str = ""
    """The DAG that must be triggered for the same logical date."""
    results: Mapping[str, Any] = field(default_factory=dict)
    """What tasks return, by task."""
    log_lines: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """What the log of a task's try holds, by task and try."""


def green(*tasks: str) -> dict[str, str]:
    return dict.fromkeys(tasks, GREEN)


def _cleaned(source: str) -> list[str]:
    steps = ("read", "deduplicate.sort", "deduplicate.unique", "write")
    return [f"clean_{source}.{step}" for step in steps]


MIXTURES = (
    "after_success",
    "after_failure",
    "after_skip",
    "after_success_and_failure",
    "after_success_and_skip",
)
_LETTERS = {"+": GREEN, "s": SKIPPED, "u": BLOCKED}
RULES = {
    # In the order of MIXTURES: + ran, s skipped, u upstream_failed.
    "all_done": "+++++",
    "all_done_min_one_success": "+us+s",
    "all_failed": "s+sss",
    "all_skipped": "ss+ss",
    "all_success": "+usus",
    "always": "+++++",
    "none_failed": "+u+u+",
    "none_failed_min_one_success": "+usu+",
    "none_skipped": "++s+s",
    "one_done": "++s++",
    "one_failed": "s+s+s",
    "one_success": "+us++",
}


def _rules() -> dict[str, str]:
    return {
        f"{mixture}.{rule}": _LETTERS[letter]
        for rule, letters in RULES.items()
        for mixture, letter in zip(MIXTURES, letters, strict=True)
    }


EXPECTED: dict[str, Expected] = {
    "example_task_groups": Expected(
        green("start", *_cleaned("orders"), *_cleaned("customers"), "join")
    ),
    "example_trigger_rules": Expected(
        {"fails": RED, "is_skipped": SKIPPED, **green("succeeds", "report"), **_rules()}
    ),
    "example_jinja": Expected(green("greet", "check")),
    "example_xcom": Expected(
        green("count", "pull", "price", "show"),
        results={"count": 3, "pull": "3 apples", "show": "7.50"},
    ),
    "example_xcom_large": Expected(green("make", "add_up"), results={"add_up": 4_999_950_000}),
    "example_trigger_dagrun": Expected(green("start_target")),
    "example_trigger_dagrun_target": Expected(
        green("greet"),
        started_by="example_trigger_dagrun",
        results={"greet": "Greetings from Lisbon"},
    ),
    "example_external_task_sensor": Expected(
        green("wait_for_publish", "use_what_was_published"),
        together_with="example_external_task_upstream",
    ),
    "example_external_task_upstream": Expected(
        green("publish"), together_with="example_external_task_sensor"
    ),
    "example_dynamic_mapping": Expected(
        green(
            "find",
            *(f"power[{n}]" for n in range(3)),
            *(f"label[{n}]" for n in range(3)),
            "reduce",
            *(f"ship.{task}[{n}]" for task in ("weigh", "send") for n in range(2)),
        ),
        results={"reduce": "2*2=4, 3*3=9, 5*5=25"},
    ),
    "example_assets_producer": Expected(green("make_orders", "make_rates", "make_report")),
    "example_assets_consumer": Expected(
        green("read"), started_by="example_assets_producer", results={"read": 3}
    ),
    "example_assets_condition": Expected(
        green("convert"),
        started_by="example_assets_producer",
        results={"convert": ["example_orders", "example_rates"]},
    ),
    "example_assets_alias": Expected(green("publish"), started_by="example_assets_producer"),
    "example_kubernetes_pod": Expected(
        green("plain", "with_result", "deferred", "read"),
        results={"read": 42},
        log_lines={
            ("plain", 1): "hello from a pod",
            ("deferred", 1): "waited for by the triggerer",
        },
    ),
    "example_setup_teardown": Expected(
        {
            **green("work_succeeds.create", "work_succeeds.work", "work_succeeds.delete"),
            **green("work_fails.create", "work_fails.delete"),
            "work_fails.work": RED,
            "setup_fails.create": RED,
            "setup_fails.work": BLOCKED,
            "setup_fails.delete": BLOCKED,
        },
        run=RED,
    ),
    "example_retries": Expected(
        {"flaky": GREEN, "hopeless": RED},
        run=RED,
        results={"flaky": 2},
        log_lines={
            ("flaky", 1): "told: try 1 of flaky failed",
            ("hopeless", 1): "told: try 1 of hopeless failed",
            ("hopeless", 2): "told: try 2 of hopeless failed",
        },
    ),
    "example_s3_sensor": Expected(
        green("write_file", "wait_for_file", "read_file"), results={"read_file": "ready"}
    ),
}
"""By DAG."""
