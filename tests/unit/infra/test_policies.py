"""Policy documents: who may do what, and no more."""

import json
from typing import Any

from infra import policies

BUCKET = "arn:aws:s3:::logs"


def statements(document: str) -> list[dict[str, Any]]:
    parsed = json.loads(document)
    assert parsed["Version"] == "2012-10-17"
    found: list[dict[str, Any]] = parsed["Statement"]
    return found


def test_the_log_writer_only_adds_logs() -> None:
    (only,) = statements(policies.write_logs(BUCKET, "task-logs"))
    assert only["Action"] == ["s3:PutObject"]
    assert only["Resource"] == ["arn:aws:s3:::logs/task-logs/*"]


def test_airflow_works_in_its_own_folders() -> None:
    document = policies.run_airflow(BUCKET, "task-logs", "xcom", "dags")
    logs, xcoms, dags, bucket, listing = statements(document)
    assert logs["Resource"] == ["arn:aws:s3:::logs/task-logs/*"]
    assert xcoms["Resource"] == ["arn:aws:s3:::logs/xcom/*"]
    assert dags["Resource"] == ["arn:aws:s3:::logs/dags/*"]
    assert bucket["Action"] == ["s3:GetBucketLocation"]
    assert listing["Action"] == ["s3:ListBucket"]
    folders = ["task-logs", "task-logs/*", "xcom", "xcom/*", "dags", "dags/*"]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": folders}}


def test_a_log_once_written_stays_and_an_xcom_goes_with_its_run() -> None:
    document = statements(policies.run_airflow(BUCKET, "task-logs", "xcom", "dags"))
    deletes = [one["Resource"] for one in document if "s3:DeleteObject" in one["Action"]]
    assert deletes == [["arn:aws:s3:::logs/xcom/*"]]


def test_no_task_changes_what_another_runs() -> None:
    document = statements(policies.run_airflow(BUCKET, "task-logs", "xcom", "dags"))
    allowed = {
        action
        for one in document
        for action in one["Action"]
        if any(resource.startswith("arn:aws:s3:::logs/dags") for resource in one["Resource"])
    }
    assert allowed == {"s3:GetObject"}


def test_pods_get_the_role_from_pod_identity_alone() -> None:
    (only,) = statements(policies.assumed_by_pods())
    assert only["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert only["Action"] == ["sts:AssumeRole", "sts:TagSession"]


def test_an_operator_changes_nothing() -> None:
    document = policies.operate("arn:cluster", BUCKET, "task-logs", "arn:group")
    actions = [action for s in statements(document) for action in s["Action"]]
    verbs = {action.partition(":")[2] for action in actions}
    assert all(verb.startswith(("Describe", "Filter", "Get", "List")) for verb in verbs), verbs


def test_rancher_may_look_at_one_cluster_and_fill_its_forms() -> None:
    cluster = "arn:aws:eks:eu-north-1:1:cluster/aerodrome-dev"
    watch, below, forms = statements(policies.manage_with_rancher(cluster))
    assert watch["Resource"] == [cluster]
    start = "arn:aws:eks:eu-north-1:1:"
    assert below["Resource"] == [
        f"{start}nodegroup/aerodrome-dev/*",
        f"{start}addon/aerodrome-dev/*",
    ]
    for one in (watch, below, forms):
        assert all(":Describe" in action or ":List" in action for action in one["Action"])
