"""Every example DAG runs on the cluster, and every task ends as the table says.

On the sandbox of the main job (see conftest.py), whose image holds the examples.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.end_to_end.example_runs import OVER, Api, Round
from tests.end_to_end.example_states import EXPECTED
from tests.end_to_end.kit import Kit

pytestmark = pytest.mark.slow

LARGE = "example_xcom_large"


@pytest.fixture(scope="module")
def api(kit: Kit, first: dict[str, Any]) -> Iterator[Api]:
    password = kit.json("config", "get", "adminPassword", "--show")["value"]
    with Api(first["url"], kit.json("outputs")["adminUser"], password) as api:
        yield api


@pytest.fixture(scope="module")
def done(api: Api) -> Round:
    return Round(api, list(EXPECTED)).go()


def test_every_task_of_every_example_ends_as_the_table_says(done: Round) -> None:
    assert done.differences() == []


def test_no_pod_is_left_of_those_that_tasks_started(kit: Kit, done: Round) -> None:
    assert kit.kubectl("get", "pods", "--all-namespaces", "--selector=airflow_kpo_in_cluster") == ""


def _objects(kit: Kit, address: str) -> list[str]:
    """The objects in the folder of the run whose XCom has that address."""
    bucket, _, key = address.removeprefix("s3://").partition("@")[2].partition("/")
    folder = key.rpartition("/")[0].rpartition("/")[0]
    listed = kit.client("s3").list_objects_v2(Bucket=bucket, Prefix=f"{folder}/")
    return [item["Key"] for item in listed.get("Contents", ())]


def _wait(api: Api, run: str) -> None:
    give_up = time.monotonic() + 240
    while (state := api.run_state(LARGE, run)) not in OVER and time.monotonic() < give_up:
        time.sleep(1)
    assert state == "success"


def test_a_large_xcom_is_packed_replaced_and_gone_with_its_run(
    kit: Kit, api: Api, done: Round
) -> None:
    run = done.runs[LARGE]
    address = api.result(LARGE, run, "make")
    assert address.startswith("s3://aws_default@")
    (before,) = _objects(kit, address)
    assert before.endswith(".gz")
    api.clear(LARGE, run, "make")
    _wait(api, run)
    (after,) = _objects(kit, address)
    assert after != before
    api.delete_run(LARGE, run)
    assert _objects(kit, address) == [after], "Airflow itself deletes it now: the sweep can go"
    swept = kit.run("exec", "--", "python", "/opt/airflow/scripts/sweep_xcoms.py")
    assert "deleted 1 XComs" in swept.stdout, swept.stderr
    assert _objects(kit, address) == []
