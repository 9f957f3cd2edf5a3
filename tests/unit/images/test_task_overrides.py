"""What an author may change of his task's pod where DAGs have owners: pods that the image's Airflow really makes, from the
chart's template."""

import json
import subprocess
from collections.abc import Mapping

import pytest

from tests.charts.rendering import render
from tests.unit.images.airflow_database import python
from tests.unit.images.loading import IMAGES, SCRIPTS

MAKE = """
import json, os, sys, types
from kubernetes import client
import task_pods
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.providers.cncf.kubernetes.kube_config import KubeConfig
from airflow.providers.cncf.kubernetes.executors.kubernetes_executor_types import KubernetesJob
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator

maker = task_pods.PodMaker.__new__(task_pods.PodMaker)
maker._names, maker.namespace, maker.scheduler_job_id = {}, "team", "1"
maker.kube_config, maker.supports_task_instance_uuid = KubeConfig(), False
maker.kube_client = types.SimpleNamespace(api_client=client.ApiClient())
asked_for = json.load(sys.stdin)

def made(asked):
    key = TaskInstanceKey("dag", "task", "run", 1, -1)
    override = asked.get("pod") and PodGenerator.deserialize_model_dict(asked["pod"])
    job = KubernetesJob(key, ["airflow", "tasks", "run"], override or None, asked.get("template"))
    try:
        return "made as " + str(maker._build_pod_request(job).spec.service_account_name)
    except task_pods.PodReconciliationError as error:
        return str(error)

told = {}
for owned in ("true", ""):
    os.environ["AERODROME_OWNED"] = owned
    told[owned] = {name: made(asked) for name, asked in asked_for.items()}
print(json.dumps(told))
"""


def base(**more: object) -> dict[str, object]:
    return {"spec": {"containers": [{"name": "base", **more}]}}


def spec(**more: object) -> dict[str, object]:
    return {"spec": {"containers": [{"name": "base"}], **more}}


SECRET = {"secretKeyRef": {"name": "airflow-database", "key": "connection"}}
FREE: Mapping[str, dict[str, object]] = {
    "nothing": {},
    "resources": base(resources={"requests": {"cpu": "2"}}),
    "image": base(image="other:1"),
    "variable": base(env=[{"name": "A", "value": "b"}]),
    "field": base(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]),
    "place": spec(nodeSelector={"a": "b"}, tolerations=[{"key": "a", "operator": "Exists"}]),
    "scratch": spec(volumes=[{"name": "more", "emptyDir": {"medium": "Memory"}}]),
    "label": {"metadata": {"labels": {"team": "finance"}, "annotations": {"a": "b"}}},
}
EXCESS: Mapping[str, tuple[dict[str, object], str]] = {
    "account": (spec(serviceAccountName="other"), "spec.serviceAccountName"),
    "token": (spec(automountServiceAccountToken=True), "spec.automountServiceAccountToken"),
    "secret variable": (base(env=[{"name": "A", "valueFrom": SECRET}]), "base.env[A]"),
    "secret variables": (base(envFrom=[{"secretRef": {"name": "airflow-jwt"}}]), "base.envFrom"),
    "secret volume": (spec(volumes=[{"name": "v", "secret": {"secretName": "s"}}]), "spec.volumes[v]"),
    "hidden in emptyDir": (
        spec(volumes=[{"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}]), "spec.volumes[v]"),
    "projected": (spec(volumes=[{"name": "v", "projected": {"sources": []}}]), "spec.volumes[v]"),
    "disk": (spec(volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "d"}}]), "spec.volumes[v]"),
    "node": (spec(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), "spec.volumes[v]"),
    "network": (spec(hostNetwork=True), "spec.hostNetwork"),
    "root": (base(securityContext={"runAsUser": 0}), "base.securityContext"),
    "whole root": (spec(securityContext={"runAsUser": 0}), "spec.securityContext"),
    "unconfined second": (spec(containers=[{"name": "base"}, {"name": "two", "image": "i"}]), "two.securityContext"),
    "unconfined first": (spec(initContainers=[{"name": "one", "image": "i"}]), "one.securityContext"),
    "secret of a second": (
        spec(initContainers=[{"name": "one", "image": "i", "env": [{"name": "A", "valueFrom": SECRET}]}]), "one.env[A]"),
    "another task": ({"metadata": {"annotations": {"dag_id": "other"}}}, "metadata.annotations.dag_id"),
    "another label": ({"metadata": {"labels": {"dag_id": "other"}}}, "metadata.labels.dag_id"),
    "another namespace": ({"metadata": {"namespace": "kube-system"}}, "metadata.namespace"),
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What becomes of each pod, where there are owners and where there are none."""
    home = tmp_path_factory.mktemp("airflow")
    template = home / "pod.yaml"
    values = {"workers": {"startPods": False}}
    template.write_text(
        render(values).find("ConfigMap", "airflow-pod-template")["data"]["pod.yaml"]
    )
    bare = home / "bare.yaml"
    bare.write_text("apiVersion: v1\nkind: Pod\nspec: {containers: [{name: base, image: i}]}\n")
    asked: dict[str, object] = {name: {"pod": pod} for name, pod in FREE.items()}
    asked |= {name: {"pod": pod} for name, (pod, _) in EXCESS.items()}
    asked |= {"own template": {"template": str(bare)}, "same template": {"template": str(template)}}
    settings = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW__KUBERNETES_EXECUTOR__POD_TEMPLATE_FILE": str(template),
        "PYTHONPATH": f"{SCRIPTS}:{IMAGES / 'airflow' / 'policy'}",
    }
    done = subprocess.run(
        [python(), "-c", MAKE],
        input=json.dumps(asked),
        env=settings,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, dict[str, str]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", [*FREE, "same template"])
def test_what_a_task_needs_is_its_authors_to_say(
    made: dict[str, dict[str, str]], name: str
) -> None:
    assert made["true"][name] == "made as airflow"


@pytest.mark.parametrize("name", EXCESS)
def test_what_it_may_is_not(made: dict[str, dict[str, str]], name: str) -> None:
    told = made["true"][name]
    assert told.startswith("where DAGs have owners, its executor_config may not change ")
    assert EXCESS[name][1] in told.split("change ")[1].split(", ")


def test_a_template_of_his_own_is_held_to_the_kits(made: dict[str, dict[str, str]]) -> None:
    told = made["true"]["own template"]
    assert "spec.serviceAccountName" in told
    assert "base.securityContext" in told


def test_without_owners_authors_say_all(made: dict[str, dict[str, str]]) -> None:
    assert made[""]["account"] == "made as other"
    assert all(
        told.startswith("made as ") for name, told in made[""].items() if name != "own template"
    )
