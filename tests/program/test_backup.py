"""Backups of a dedicated environment: who may write them, how long they are kept, and when there are none."""

import json

import pytest

from tests.program.recording import SECRETS, Program, run_program


def test_their_pod_may_add_objects_to_one_folder_and_nothing_else(program: Program) -> None:
    policy = json.loads(program.one("aws:iam/rolePolicy:RolePolicy", "-backup").inputs["policy"])
    (statement,) = policy["Statement"]
    assert statement["Action"] == ["s3:PutObject", "s3:AbortMultipartUpload"]
    (resource,) = statement["Resource"]
    assert resource.endswith("/backups/*")


def test_no_task_reaches_them(program: Program) -> None:
    policy = json.loads(program.one("aws:iam/rolePolicy:RolePolicy", "-airflow").inputs["policy"])
    assert "backups" not in json.dumps(policy)
    assert "/*" not in [part for s in policy["Statement"] for part in s["Resource"]]


def test_the_right_is_that_service_accounts_which_the_chart_makes(program: Program) -> None:
    association = program.one(
        "aws:eks/podIdentityAssociation:PodIdentityAssociation", "-backup"
    ).inputs
    values = program.one("kubernetes:helm.sh/v3:Release").inputs["values"]["backup"]
    assert values["enabled"] is True
    assert association["serviceAccount"] == values["serviceAccount"] == "airflow-backup"
    assert association["namespace"] == "airflow"


def _kept(program: Program) -> dict[str, int]:
    rules = program.one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration").inputs[
        "rules"
    ]
    return {
        rule["filter"]["prefix"]: rule["expiration"]["days"]
        for rule in rules
        if "expiration" in rule
    }


def test_each_folder_is_kept_for_its_own_time() -> None:
    program = run_program({"environment": "test", "taskLogDays": "30", "backupDays": "60"}, SECRETS)
    kept = {"task-logs/": 30, "branches/": 30, "AWSLogs/": 30, "backups/": 60}
    kept |= {"xcom/": 30, "database-archive/": 1095}
    assert _kept(program) == kept


@pytest.fixture(scope="module")
def without() -> Program:
    return run_program({"environment": "test", "backupDays": "0"}, SECRETS)


def test_zero_days_make_none(without: Program) -> None:
    assert not [one for one in without.resources if one.name.endswith("-backup")]
    assert "backup" not in without.one("kubernetes:helm.sh/v3:Release").inputs["values"]
    assert without.outputs["backupPrefix"] == ""
    assert "backups/" not in _kept(without)
