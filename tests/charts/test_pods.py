"""What every pod of the chart must be: confined, bounded, and replaced when its input changes."""

from typing import Any

import pytest

from tests.charts.rendering import DIGEST, EVERYTHING, NOTHING, Rendered, ask_helm, render

LOCAL = {"executor": "LocalExecutor"}
PROFILES = {"least": {}, "most": EVERYTHING, "none": NOTHING, "local": LOCAL}
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")


@pytest.fixture(scope="module", params=PROFILES)
def rendered(request: pytest.FixtureRequest) -> Rendered:
    done = render(PROFILES[request.param])
    assert done.error == ""
    return done


def test_every_container_is_bounded(rendered: Rendered) -> None:
    for name, container in rendered.containers():
        resources = container["resources"]
        assert resources["requests"]["cpu"], name
        assert resources["requests"]["memory"], name
        assert resources["limits"]["memory"], name


def test_every_container_is_confined(rendered: Rendered) -> None:
    for name, container in rendered.containers():
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True, name
        assert security["allowPrivilegeEscalation"] is False, name
        assert security["capabilities"] == {"drop": ["ALL"]}, name


def test_no_pod_runs_as_root(rendered: Rendered) -> None:
    for name, spec in rendered.pod_specs():
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] >= 50000, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name


def test_every_mount_has_its_volume(rendered: Rendered) -> None:
    claims = {"data"}
    for _, spec in rendered.pod_specs():
        volumes = {volume["name"] for volume in spec.get("volumes", [])} | claims
        for container in spec["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes


def test_a_read_only_container_can_write_where_airflow_writes(rendered: Rendered) -> None:
    for name, container in rendered.containers():
        if container["image"].startswith("registry.example/airflow") and "envFrom" in container:
            places = {mount["mountPath"] for mount in container["volumeMounts"]}
            assert {"/tmp", "/opt/airflow/logs"} <= places, name


def test_images_are_pinned_by_digest_even_if_there_is_a_tag(rendered: Rendered) -> None:
    for name, container in rendered.containers():
        assert container["image"].endswith(f"@{DIGEST}"), name


def test_a_tag_serves_where_there_is_no_digest() -> None:
    rendered = render({"image": {"digest": "", "tag": "v2"}})
    images = {c["image"] for n, c in rendered.containers() if "database" not in n}
    assert images == {"registry.example/airflow:v2"}


def test_every_selector_finds_its_own_pods_only(rendered: Rendered) -> None:
    owners = [o for o in rendered.objects if o["kind"] in ("Deployment", "StatefulSet")]
    pods = {
        o["metadata"]["name"]: o["spec"]["template"]["metadata"]["labels"]
        for o in rendered.objects
        if o["kind"] in ("Deployment", "StatefulSet", "Job")
    }
    for owner in owners:
        wanted = owner["spec"]["selector"]["matchLabels"].items()
        found = [name for name, labels in pods.items() if wanted <= labels.items()]
        assert found == [owner["metadata"]["name"]]


def test_a_single_replica_counts_as_ready_only_when_it_is(rendered: Rendered) -> None:
    # helm --wait asks for replicas minus maxUnavailable: with 1 it would ask for nothing.
    for item in rendered.objects:
        if item["kind"] == "Deployment":
            assert item["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_every_long_running_container_has_probes_that_allow_a_slow_start(
    rendered: Rendered,
) -> None:
    for item in rendered.objects:
        if item["kind"] not in ("Deployment", "StatefulSet"):
            continue
        for container in item["spec"]["template"]["spec"]["containers"]:
            start = container["startupProbe"]
            patience = start["periodSeconds"] * start["failureThreshold"]
            assert patience >= 120, item["metadata"]["name"]
            assert container["livenessProbe"]


@pytest.mark.parametrize("component", COMPONENTS)
def test_pods_hold_back_until_the_schema_is_there(component: str) -> None:
    spec = dict(render().pod_specs())[f"airflow-{component}"]
    (first,) = spec["initContainers"]
    assert first["args"][:2] == ["python", "/opt/airflow/scripts/wait_for_schema.py"]
    assert "envFrom" not in first, "it needs the address of the database and nothing else"


def annotations(rendered: Rendered, component: str) -> dict[str, str]:
    item = rendered.find("Deployment", f"airflow-{component}")
    found: dict[str, str] = item["spec"]["template"]["metadata"]["annotations"]
    return found


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize(
    "change",
    [
        {"config": {"core": {"default_timezone": "Europe/Paris"}}},
        {"secretsChecksums": {"database": "other"}},
    ],
    ids=["config", "secrets"],
)
def test_pods_are_replaced_when_what_they_read_changes(
    component: str, change: dict[str, Any]
) -> None:
    assert annotations(render(), component) != annotations(render(change), component)


def test_pods_stay_when_nothing_that_they_read_changes() -> None:
    before, after = render(), render({"networkPolicies": {"enabled": True}})
    for component in COMPONENTS:
        assert annotations(before, component) == annotations(after, component)


def test_a_render_is_the_same_every_time() -> None:
    # Nothing random: a render that invents a secret rotates it at every upgrade.
    ask_helm.cache_clear()
    first = render(EVERYTHING).objects
    ask_helm.cache_clear()
    assert render(EVERYTHING).objects == first


def test_labels_and_environment_reach_every_object_and_pod() -> None:
    rendered = render(EVERYTHING)
    for item in rendered.objects:
        labels = item["metadata"]["labels"]
        assert labels["aerodrome/environment"] == "feature-x"
        assert labels["team"] == "data"
    assert rendered.worker()["metadata"]["labels"]["aerodrome/environment"] == "feature-x"


def test_placement_of_tasks_is_apart_from_the_rest() -> None:
    for name, spec in render(EVERYTHING).pod_specs():
        pool = "tasks" if name in ("airflow-worker", "airflow-celery-worker") else "system"
        # Nodes of their own are for pods of tasks alone, beside what values say.
        own = ["aerodrome/tasks"] if name == "airflow-worker" else []
        assert spec["nodeSelector"] == {"pool": pool, **dict.fromkeys(own, "true")}, name
        assert sorted(t["key"] for t in spec["tolerations"]) == sorted([*own, pool]), name
        assert spec["imagePullSecrets"] == [{"name": "registry-login"}], name


def test_objects_bear_the_name_of_the_release() -> None:
    rendered = render({"serviceAccount": {"name": "blue"}}, release="blue")
    assert all(o["metadata"]["name"].startswith("blue") for o in rendered.objects)
