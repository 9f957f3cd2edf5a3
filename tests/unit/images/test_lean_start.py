"""The start of a task without what no task needs, in the image's own Airflow."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cli.operations.dags import check
from tests.unit.images.loading import SCRIPTS

START = """
import json, os, sys
sys.path.insert(0, SCRIPTS)
if LEAN:
    import run_task
    run_task.prepare_supervisor()
from airflow.executors import base_executor, workloads
from airflow.sdk.execution_time import task_runner
from airflow.sdk.log import configure_logging, load_remote_log_handler
configure_logging(output=open(os.devnull, "wb"), json_output=True)
if LEAN:
    run_task.lean_start.import_dagbag()
else:
    from airflow.dag_processing import dagbag
loaded = sorted(sys.modules)
processors = list(load_remote_log_handler().processors)
load_remote_log_handler().upload
remote = load_remote_log_handler()
if LEAN:
    remote = run_task.lean_start.storage()

from airflow import settings
from airflow.sdk._shared.secrets_masker import redact
from airflow.sdk.bases.decorator import remove_task_decorator
from airflow.sdk.definitions.param import Param, ParamValidationError
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime
source = remove_task_decorator("@task.virtualenv(x=1)\\ndef f(): pass\\n", "@task.virtualenv")
try:
    Param("text", type="integer").resolve()
    param = "taken"
except ParamValidationError:
    param = "refused"
try:
    Param("P1Y", type="string", format="duration").resolve()
    Param("a year", type="string", format="duration").resolve()
    duration = "taken"
except ParamValidationError:
    duration = "refused"
import isoduration
import arrow, jsonschema, libcst
from airflow.models.connection import Connection
from airflow.models.xcom import XComModel
print(json.dumps({
    "loaded": loaded,
    "remote": [type(remote).__name__, type(load_remote_log_handler()).__name__, processors],
    "masked": redact("the key is " + os.environ["AIRFLOW__CORE__FERNET_KEY"]),
    "source": source,
    "again": remove_task_decorator("@task\\ndef g(): pass\\n", "@task"),
    "param": param,
    "duration": [duration, str(isoduration.parse_duration("P0003-06-04T12:30:05"))],
    "connection": Connection(uri="http://host/").host,
    "real": [jsonschema.__file__, arrow.__file__, libcst.CSTTransformer is not object],
    "variable": os.environ.get("PYTHON_OPERATORS_VIRTUAL_ENV_MODE"),
    "providers": len(ProvidersManagerTaskRuntime().providers),
}))
"""

POSTPONED = {"libcst", "elasticsearch", "boto3", "arrow"}


def start(home: Path, *, lean: bool) -> dict[str, Any]:
    """What a process has that has started as a task's pod does."""
    environment = {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(home),
        "HOME": str(home),
        "AIRFLOW__LOGGING__REMOTE_LOGGING": "True",
        "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER": "s3://bucket/task-logs",
        "AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID": "aws_default",
        "AIRFLOW__CORE__FERNET_KEY": "a-secret-of-the-configuration",
    }
    program = START.replace("SCRIPTS", repr(str(SCRIPTS))).replace("LEAN", repr(lean))
    done = subprocess.run(
        [str(check.environment(print) / "bin" / "python"), "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """As Airflow starts, and as the kit does."""
    home = tmp_path_factory.mktemp("airflow")
    return start(home, lean=False), start(home, lean=True)


def test_what_is_left_out_is_what_airflow_loads(
    starts: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    plain, lean = (set(each["loaded"]) for each in starts)
    assert plain >= POSTPONED, "upstream does without it by now: drop it from lean_start.py"
    assert not lean & POSTPONED
    assert len(lean) < len(plain) * 0.9


def test_nothing_that_a_task_can_see_is_different(
    starts: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    plain, lean = ({k: v for k, v in each.items() if k != "loaded"} for each in starts)
    assert lean == plain
    assert lean["remote"] == ["S3RemoteLogIO", "S3RemoteLogIO", []]
    assert lean["masked"] == "the key is ***"
    assert lean["source"] == "def f(): pass\n"
    assert lean["again"] == "def g(): pass\n"
    assert lean["param"] == "refused"
    assert lean["duration"][0] == "refused"
    assert lean["connection"] == "host"
    assert lean["variable"] is None
