"""A compose file says the same as the chart: commands, variables, Secrets, limits, users."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from cli.operations.compose import chart, services, text
from cli.operations.compose.operation import _contents
from infra.contract.secret_settings import Secrets
from infra.contract.settings import SECRETS, SETTINGS, Settings
from sandbox.tools import tool
from tests.charts.rendering import Object, Rendered, render

SETTINGS_USED = Settings(environment="sandbox")
CONTENTS = _contents(
    SETTINGS_USED, Secrets(**{SETTINGS[key].field: make() for key, make in SECRETS.items()})
)


def computed(executor: str) -> dict[str, Any]:
    return chart.values(SETTINGS_USED, executor, mounted_dags=False)


def composed(executor: str = "CeleryExecutor", **values: Any) -> services.Composed:
    objects = render({**computed(executor), **values}).objects
    return services.compose(objects, CONTENTS)


def containers(rendered: Rendered) -> Iterator[tuple[str, Object]]:
    """By component, the main container of each pod."""
    for item in rendered.objects:
        if item["kind"] in ("Deployment", "StatefulSet", "Job"):
            template = item["spec"]["template"]
            yield template["metadata"]["labels"][services.COMPONENT], template["spec"]


@pytest.mark.parametrize("executor", ["CeleryExecutor", "LocalExecutor", "sequential"])
def test_the_file_runs_what_the_chart_runs(executor: str) -> None:
    """From the text that is written, and what Kubernetes would be told: nothing between them is trusted."""
    rendered = render(computed(executor))
    builds = {image: text.Build(f"images/{image}") for image in chart.IMAGES}
    options = text.Options("sandbox", builds, {"api-server": (8080, 8080)})
    written = yaml.safe_load(text.compose_file(composed(executor), options))["services"]
    common = rendered.find("ConfigMap", "airflow-config")["data"]
    seen = set()
    for component, pod in containers(rendered):
        container, service = pod["containers"][0], written[component]
        assert service.get("command") == container.get("args")
        assert service["image"] == container["image"]
        assert service["user"] == "{runAsUser}:{runAsGroup}".format(**pod["securityContext"])
        plain = dict(common) if "envFrom" in container else {}
        secret = {}
        for item in container["env"]:
            if "value" in item:
                plain[item["name"]] = item["value"]
            else:
                reference = item["valueFrom"]["secretKeyRef"]
                if item["name"] == "AERODROME_TOKEN_KEYS":
                    # It is there while a key is replaced, and none is here.
                    assert reference["optional"]
                    continue
                secret[item["name"]] = f"{reference['name']}-{reference['key']}"
        told = {name: value.replace("$$", "$") for name, value in service["environment"].items()}
        files = {
            one["target"].removeprefix(f"{services.VARIABLES}/"): one["source"]
            for one in service.get("secrets", ())
            if one["target"].startswith(services.VARIABLES)
        }
        assert plain.items() <= told.items()
        assert secret.keys() == files.keys() | (told.keys() - plain.keys())
        assert all(secret[name] == file for name, file in files.items())
        seen.add(component)
    assert seen == set(written) - {"log-server"}


def test_the_results_the_queue_and_the_database_are_the_services() -> None:
    found = composed()
    assert CONTENTS["celery"]["broker-url"].endswith("@redis:6379/0")
    assert "@database:5432/airflow_celery" in CONTENTS["celery"]["result-backend"]
    assert "@database:5432/airflow" in CONTENTS["database"]["connection"]
    url = found.services["celery-worker"]["environment"]["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]
    assert url == "http://api-server:8080/execution/"
    assert {"redis", "database", "api-server"} <= found.services.keys()


def test_no_worker_may_read_airflows_own_secrets() -> None:
    read = {one["source"] for one in composed().services["celery-worker"]["secrets"]}
    assert read == {"celery-broker-url", "celery-result-backend"}


def test_without_celery_there_is_no_queue() -> None:
    found = composed("LocalExecutor")
    assert not {"redis", "flower", "celery-worker"} & found.services.keys()
    assert not [secret for secret, _ in found.secrets if secret == "celery"]
    # The scheduler waits for its tasks.
    assert found.services["scheduler"]["stop_grace_period"] == "600s"


def test_what_a_user_sets_in_the_chart_is_in_the_file() -> None:
    celery = {"concurrency": 7, "queues": ["default", "big"], "workers": {"fewest": 3}}
    found = composed(
        celery=celery, env={"TEAM": "cost: $5"}, config={"core": {"default_task_retries": "2"}}
    )
    worker = found.services["celery-worker"]
    assert worker["deploy"]["replicas"] == 3
    assert worker["environment"]["AIRFLOW__CELERY__WORKER_CONCURRENCY"] == "7"
    assert worker["environment"]["AIRFLOW__CORE__DEFAULT_TASK_RETRIES"] == "2"
    assert worker["environment"]["TEAM"] == "cost: $$5"
    assert "--queues=default,big" in worker["command"]


def test_what_needs_kubernetes_is_named() -> None:
    scheduler = {
        "secretEnv": {"TOKEN": {"name": "mine", "key": "token"}},
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    left = composed(scheduler=scheduler).left_out
    assert "scheduler: variable TOKEN, of the Kubernetes Secret mine/token" in left
    assert "scheduler: volume data at /data" in left


def test_a_worker_has_time_for_its_tasks_and_everybody_waits_for_the_database() -> None:
    found = composed()
    assert found.services["celery-worker"]["stop_grace_period"] == "3600s"
    done = {"condition": "service_completed_successfully"}
    for name in ("api-server", "scheduler", "dag-processor", "triggerer", "celery-worker"):
        assert found.services[name]["depends_on"]["migration"] == done
    assert found.services["migration"]["depends_on"] == {
        "database": {"condition": "service_healthy"}
    }


def test_every_container_is_confined() -> None:
    for name, service in composed().services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service["user"].startswith("0:"), name


def test_helm_is_the_machines_or_the_one_of_set_up() -> None:
    objects = chart.render(str(tool("helm")), computed("CeleryExecutor"), [])
    assert {"Deployment", "StatefulSet", "Job"} <= {one["kind"] for one in objects}
