"""What users add to pods: the same form for all components, their own word before that for all."""

from typing import Any

import pytest

from tests.charts.rendering import DIGEST, EVERYTHING, Rendered, render

COMPONENTS = {
    "api-server": "apiServer",
    "scheduler": "scheduler",
    "dag-processor": "dagProcessor",
    "triggerer": "triggerer",
    "worker": "workers",
}


def pod(rendered: Rendered, component: str) -> dict[str, Any]:
    assert rendered.error == ""
    found: dict[str, Any] = dict(rendered.pod_specs())[f"airflow-{component}"]
    return found


def environment(container: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container.get("env", [])}


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_has_its_own_variables_before_those_of_all(component: str) -> None:
    shared = {
        "env": {"A": "all", "B": "all", "C": "all"},
        "secretEnv": {"D": {"name": "s", "key": "k"}},
    }
    own = {"env": {"A": "", "D": "own"}, "secretEnv": {"B": {"name": "t", "key": "k"}}}
    (container,) = pod(render(shared, {COMPONENTS[component]: own}), component)["containers"]
    found = environment(container)
    # An empty text is a value, too.
    assert (found["A"], found["C"], found["D"]) == ("", "all", "own")
    assert found["B"] == {"secretKeyRef": {"name": "t", "key": "k"}}


@pytest.mark.parametrize("component", COMPONENTS)
def test_containers_of_users_are_confined_unless_they_say_how(component: str) -> None:
    image = f"registry.example/extra@{DIGEST}"
    plain = {"name": "plain", "image": image}
    loose = {
        "name": "loose",
        "image": image,
        "securityContext": {"readOnlyRootFilesystem": False},
    }
    values = {COMPONENTS[component]: {"initContainers": [plain], "extraContainers": [loose]}}
    spec = pod(render(values), component)
    confined = spec["initContainers"][-1]
    assert confined["name"] == "plain"
    assert confined["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert spec["containers"][-1] == loose


def test_placement_of_a_component_goes_over_that_of_all() -> None:
    toleration = {"key": "a", "operator": "Exists"}
    own = {"key": "b", "operator": "Exists"}
    rendered = render(
        {
            "nodeSelector": {"pool": "all", "disk": "ssd"},
            "tolerations": [toleration],
            "priorityClassName": "low",
            "scheduler": {
                "nodeSelector": {"pool": "mine"},
                "tolerations": [own],
                "priorityClassName": "high",
            },
        }
    )
    scheduler, triggerer = pod(rendered, "scheduler"), pod(rendered, "triggerer")
    assert scheduler["nodeSelector"] == {"pool": "mine", "disk": "ssd"}
    assert triggerer["nodeSelector"] == {"pool": "all", "disk": "ssd"}
    assert scheduler["tolerations"] == [toleration, own]
    assert triggerer["tolerations"] == [toleration]
    assert (scheduler["priorityClassName"], triggerer["priorityClassName"]) == ("high", "low")
    assert "priorityClassName" not in pod(rendered, "worker")


def test_several_pods_are_spread_and_a_single_one_is_not() -> None:
    rendered = render({"scheduler": {"replicas": 2}})
    spread = pod(rendered, "scheduler")["topologySpreadConstraints"]
    keys = {one["topologyKey"] for one in spread}
    assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    labels = rendered.find("Deployment", "airflow-scheduler")["spec"]["template"]["metadata"]
    for one in spread:
        # A full node must not stop a rollout.
        assert one["whenUnsatisfiable"] == "ScheduleAnyway"
        assert one["labelSelector"]["matchLabels"].items() <= labels["labels"].items()
    assert "topologySpreadConstraints" not in pod(rendered, "triggerer")


def test_only_what_has_several_pods_has_a_disruption_budget() -> None:
    assert "PodDisruptionBudget" not in render().kinds()
    several = {name: {"replicas": 2} for key, name in COMPONENTS.items() if key != "worker"}
    budgets = [o for o in render(several).objects if o["kind"] == "PodDisruptionBudget"]
    assert {o["metadata"]["name"] for o in budgets} == {
        f"airflow-{component}" for component in COMPONENTS if component != "worker"
    }
    for budget in budgets:
        name = budget["metadata"]["name"].removeprefix("airflow-")
        selector = budget["spec"]["selector"]["matchLabels"]
        assert selector["app.kubernetes.io/component"] == name
        # Two that never get ready would otherwise hold their nodes.
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_an_autoscaler_and_replicas_do_not_fight() -> None:
    rendered = render(EVERYTHING)
    deployment = rendered.find("Deployment", "airflow-api-server")
    assert "replicas" not in deployment["spec"]
    scaler = rendered.find("HorizontalPodAutoscaler", "airflow-api-server")["spec"]
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    # Utilization is a part of the request.
    assert deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"]
    assert "HorizontalPodAutoscaler" not in render().kinds()


def test_a_section_with_a_dot_is_one_that_airflow_reads() -> None:
    settings = render({"config": {"common.io": {"xcom_objectstorage_path": "x"}}}).environment()
    assert settings["AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH"] == "x"
