"""Airflow's own options: told before they are deployed, from a list that fits the image's lock."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra import airflow_options
from infra.airflow_options import OWNED, TABLE, check
from infra.content import PROJECT_ROOT

LOCK = PROJECT_ROOT / "images" / "airflow" / "requirements.txt"

TABLE_CONTENT: dict[str, Any] = json.loads(TABLE.read_text())


def remarks(**config: Any) -> list[tuple[str, bool]]:
    return [(f"{'.'.join(one.path)}: {one.text}", one.warning) for one in check(config)]


def remark(section: str, **options: Any) -> tuple[str, bool]:
    (found,) = remarks(**{section: options})
    return found


def test_the_list_is_that_of_the_locked_airflow_and_its_providers() -> None:
    locked = dict(re.findall(r"^(apache-airflow[a-z-]*)==(\S+)", LOCK.read_text(), re.MULTILINE))
    assert TABLE_CONTENT["versions"] == locked, "run `make options`"


@pytest.mark.skipif(
    "AERODROME_AIRFLOW_PYTHON" not in os.environ,
    reason="AERODROME_AIRFLOW_PYTHON names no Python that has the image's Airflow",
)
def test_the_list_is_what_airflow_says_itself() -> None:
    script = PROJECT_ROOT / ".ci" / "airflow_options.py"
    command = [os.environ["AERODROME_AIRFLOW_PYTHON"], script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == TABLE_CONTENT, "run `make options`"


def test_known_options_pass_as_text_or_as_they_are() -> None:
    assert remarks(core={"max_active_tasks_per_dag": 7, "load_examples": False}) == []
    assert remarks(core={"max_active_tasks_per_dag": "7", "load_examples": "False"}) == []
    assert remarks(scheduler={"scheduler_heartbeat_sec": "5", "task_queued_timeout": 600.0}) == []
    # Handed on to a library as a whole, and a provider's own section.
    assert remarks(elasticsearch_configs={"max_retries": 3}) == []
    assert remarks(**{"common.io": {"xcom_objectstorage_threshold": 100}}) == []


@pytest.mark.parametrize(
    ("section", "option", "value", "told"),
    [
        ("core", "max_active_tasks_per_dagg", 1, "did you mean core.max_active_tasks_per_dag?"),
        ("core", "sql_alchemy_pool_recycle_", 1, "Airflow has no such option"),
        ("core", "catchup_by_default", "True", "did you mean scheduler.catchup_by_default?"),
        ("core", "dag_concurrency", 1, "is called core.max_active_tasks_per_dag now, and the old"),
        ("core", "check_slas", "True", "is gone from Airflow 3. The SLA feature is removed"),
        ("webserver", "base_url", "x", "is called api.base_url now, and is decided elsewhere"),
        ("core", "max_active_tasks_per_dag", "many", "must be a whole number, not 'many'"),
        ("core", "max_active_tasks_per_dag", 1.5, "must be a whole number, not '1.5'"),
        ("core", "max_active_tasks_per_dag", [1], "takes one value, not a map or a list"),
        ("scheduler", "catchup_by_default", "maybe", "must be true or false, not 'maybe'"),
        ("logging", "logging_level", "debug", "must be one of CRITICAL, FATAL"),
        ("sentry", "sentry_dsn", "x", "AIRFLOW__SENTRY__SENTRY_DSN: {name: SECRET, key: KEY}"),
        ("database", "sql_alchemy_conn_cmd", "x", "is decided elsewhere"),
        ("schedular", "x", 1, "Airflow has no section schedular; did you mean scheduler?"),
    ],
)
def test_what_airflow_does_not_take_is_refused(
    section: str, option: str, value: Any, told: str
) -> None:
    text, warning = remark(section, **{option: value})
    assert told in text
    assert not warning


@pytest.mark.parametrize(
    ("section", "option", "told"),
    [
        ("core", "max_num_rendered_ti_fields_per_task", "num_dag_runs_to_retain_rendered_fields now"),
        ("metrics", "otel_host", "is deprecated since Airflow"),
        ("my_team", "anything", "passed on as it is"),
    ],
)  # fmt: skip
def test_what_airflow_still_takes_is_a_warning(section: str, option: str, told: str) -> None:
    text, warning = remark(section, **{option: "5"})
    assert told in text
    assert warning


def test_a_secret_is_never_repeated() -> None:
    text, _ = remark("celery", broker_url="redis://:hidden@host")
    assert "hidden" not in text


@pytest.mark.parametrize("key", OWNED)
def test_what_is_decided_elsewhere_is_refused_and_is_an_option_of_airflow(key: str) -> None:
    section, _, name = key.rpartition(".")
    assert name in TABLE_CONTENT["options"][section]
    text, warning = remark(section, **{name: "1"})
    assert f"is decided elsewhere: {OWNED[key]}" in text
    assert not warning


def test_the_table_is_beside_the_program() -> None:
    assert Path(airflow_options.__file__).parent == TABLE.parent
