"""The setting `executor`: one of the table, or several at once."""

import pytest

from infra.contract.executors import EXECUTORS, check, executor


@pytest.mark.parametrize(
    "text", [*EXECUTORS, "LocalExecutor,KubernetesExecutor", "KubernetesExecutor,LocalExecutor"]
)
def test_what_airflow_can_have_is_taken(text: str) -> None:
    assert check(text) is None


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("KubernetesExecuter", "not 'KubernetesExecuter' (did you mean KubernetesExecutor?)"),
        ("LocalExecutor,Kubernetes", "not 'Kubernetes' (did you mean KubernetesExecutor?)"),
        ("LocalExecutor, KubernetesExecutor", "not ' KubernetesExecutor'"),
        ("", "not ''"),
        ("SequentialExecutor", "Airflow 3 has none: take sequential"),
        ("LocalKubernetesExecutor", "Airflow 3 has none: take LocalExecutor,KubernetesExecutor"),
        ("LocalExecutor,LocalExecutor", "must name LocalExecutor once only"),
        ("sequential,LocalExecutor", "must name LocalExecutor once only"),
        ("sequential,KubernetesExecutor", "must name sequential alone"),
    ],
)
def test_what_it_can_not_is_refused_with_what_to_take(text: str, wrong: str) -> None:
    assert wrong in (check(text) or "")


def test_several_have_what_each_has() -> None:
    both = executor("LocalExecutor,KubernetesExecutor")
    local, pods = EXECUTORS["LocalExecutor"], EXECUTORS["KubernetesExecutor"]
    assert both.classes == ("LocalExecutor", "KubernetesExecutor")
    assert set(both.components) == {*local.components, *pods.components}
    assert both.task_pods and both.in_scheduler
    assert both.task_hosts == local.runs_tasks
    assert both.kubernetes_token == pods.kubernetes_token
    assert both.parallelism == min(local.parallelism, pods.parallelism)
