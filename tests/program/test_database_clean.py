"""Old rows of a dedicated environment's database: who may move them, where they go, and when none are moved."""

import json

import pytest

from tests.program.recording import SECRETS, Program, run_program

RELEASE = "kubernetes:helm.sh/v3:Release"


def test_the_pod_may_add_objects_to_one_folder_and_list_them(program: Program) -> None:
    policy = json.loads(program.one("aws:iam/rolePolicy:RolePolicy", "-clean").inputs["policy"])
    write, look = policy["Statement"]
    assert write["Action"] == ["s3:PutObject", "s3:AbortMultipartUpload"]
    assert [one.rpartition("/")[0].rpartition("/")[2] for one in write["Resource"]] == [
        "database-archive"
    ]
    assert look["Action"] == ["s3:ListBucket"]
    prefixes = look["Condition"]["StringLike"]["s3:prefix"]
    assert prefixes == ["database-archive", "database-archive/*"]


def test_no_task_reaches_them(program: Program) -> None:
    policy = json.loads(program.one("aws:iam/rolePolicy:RolePolicy", "-airflow").inputs["policy"])
    assert "database-archive" not in json.dumps(policy)


def test_the_right_is_that_service_accounts_which_the_chart_makes(program: Program) -> None:
    association = program.one(
        "aws:eks/podIdentityAssociation:PodIdentityAssociation", "-clean"
    ).inputs
    values = program.one(RELEASE).inputs["values"]["databaseClean"]
    assert values["enabled"] is True
    assert values["keepDays"] == 365
    assert association["serviceAccount"] == values["serviceAccount"] == "airflow-database-clean"
    assert association["namespace"] == "airflow"
    assert program.outputs["archivePrefix"] == values["prefix"] == "database-archive"


@pytest.fixture(scope="module")
def without() -> Program:
    config = {"environment": "test", "databaseKeepDays": "0", "databaseArchiveDays": "0"}
    return run_program(config, SECRETS)


def test_zero_days_move_nothing(without: Program) -> None:
    assert not [one for one in without.resources if one.name.endswith("-clean")]
    assert "databaseClean" not in without.one(RELEASE).inputs["values"]
    assert without.outputs["archivePrefix"] == ""


def test_zero_days_of_the_archive_keep_it(without: Program) -> None:
    rules = without.one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration").inputs[
        "rules"
    ]
    assert "database-archive/" not in [rule["filter"]["prefix"] for rule in rules]


def test_a_branch_moves_nothing(shared: Program) -> None:
    assert "databaseClean" not in shared.one(RELEASE, "-airflow").inputs["values"]
    assert shared.outputs["archivePrefix"] == ""
