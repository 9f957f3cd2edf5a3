"""Celery's part of the chart: the queue, the workers, Flower, and as many workers as there are tasks for."""

from typing import Any

import pytest

from tests.charts.rendering import Object, Rendered, merge, render
from tests.charts.test_secrets import ASYNC, PRIVATE, from_secrets, references

CELERY: Object = {"executor": "CeleryExecutor"}
FENCED: Object = {**CELERY, "networkPolicies": {"enabled": True}}
SCALING: Object = {**CELERY, "celery": {"workers": {"fewest": 2, "most": 5}}}
BROKER = {"AIRFLOW__CELERY__BROKER_URL": ("my-celery", "broker-url")}
RESULTS = {"AIRFLOW__CELERY__RESULT_BACKEND": ("my-celery", "result-backend")}


def pod(rendered: Rendered, component: str, kind: str = "Deployment") -> Any:
    return rendered.find(kind, f"airflow-{component}")["spec"]["template"]


def main(rendered: Rendered, component: str, kind: str = "Deployment") -> Any:
    (container,) = pod(rendered, component, kind)["spec"]["containers"]
    return container


class TestSecrets:
    def test_workers_get_the_queue_and_the_results_and_nothing_of_airflows(self) -> None:
        assert from_secrets(main(render(CELERY), "celery-worker")) == {**BROKER, **RESULTS}

    def test_the_key_of_sessions_is_in_a_container_where_no_task_runs(self) -> None:
        (server,) = pod(render(CELERY), "celery-worker")["spec"]["initContainers"]
        assert server["restartPolicy"] == "Always"
        assert from_secrets(server) == {
            "AIRFLOW__API__SECRET_KEY": PRIVATE["AIRFLOW__API__SECRET_KEY"]
        }

    def test_the_scheduler_reaches_the_queue(self) -> None:
        expected = {**PRIVATE, **ASYNC, **BROKER, **RESULTS}
        assert from_secrets(main(render(CELERY), "scheduler")) == expected

    def test_flower_has_a_login_and_no_database(self) -> None:
        assert from_secrets(main(render(CELERY), "flower")) == {
            **BROKER,
            "FLOWER_USER": ("my-admin", "username"),
            "FLOWER_PASSWORD": ("my-admin", "password"),
        }

    def test_the_queue_has_its_password_as_a_file(self) -> None:
        rendered = render(CELERY)
        assert from_secrets(main(rendered, "redis", "StatefulSet")) == {}
        assert references(pod(rendered, "redis", "StatefulSet")) == {"my-celery"}

    def test_with_two_passwords_the_queue_and_the_migration_have_both(self) -> None:
        both = render(CELERY, {"secrets": {"celeryLogins": "my-logins"}})
        queue = pod(both, "redis", "StatefulSet")
        assert references(queue) == {"my-logins"}
        assert "REDIS_SECOND_PASSWORD_FILE" in str(main(both, "redis", "StatefulSet"))
        assert "REDIS_SECOND" not in str(main(render(CELERY), "redis", "StatefulSet"))
        (job,) = [item for item in both.objects if item["kind"] == "Job"]
        found = from_secrets(job["spec"]["template"]["spec"]["containers"][0])
        assert {key: value for key, value in found.items() if key.startswith("RESULTS")} == {
            "RESULTS_DATABASE": ("my-celery", "results-database"),
            "RESULTS_PASSWORD": ("my-logins", "password"),
            "RESULTS_SECOND_USER": ("my-logins", "second-username"),
            "RESULTS_SECOND_PASSWORD": ("my-logins", "second-password"),
        }
        for component in ("scheduler", "celery-worker", "flower"):
            assert "my-logins" not in references(pod(both, component))

    @pytest.mark.parametrize("create", [True, False])
    def test_the_migration_makes_the_results_database_where_it_may(self, create: bool) -> None:
        rendered = render(CELERY, {"celery": {"createResultsDatabase": create}})
        (job,) = [item for item in rendered.objects if item["kind"] == "Job"]
        found = from_secrets(job["spec"]["template"]["spec"]["containers"][0])
        assert ("my-celery", "results-password" in str(found)) == ("my-celery", create)

    def test_nobody_else_needs_the_secret(self) -> None:
        rendered = render(CELERY)
        for component in ("api-server", "dag-processor", "triggerer"):
            assert "my-celery" not in references(pod(rendered, component))

    def test_another_executor_needs_none_of_it(self) -> None:
        without = {"secrets": {"celery": ""}, "redis": {"image": {"repository": "", "digest": ""}}}
        assert render(without).error == ""
        assert "my-celery" not in str(render().objects)

    @pytest.mark.parametrize(
        ("missing", "named"),
        [
            ({"secrets": {"celery": ""}}, "secrets.celery"),
            ({"redis": {"image": {"repository": ""}}}, "redis.image.repository"),
        ],
    )
    def test_what_is_missing_is_named(self, missing: Object, named: str) -> None:
        rendered = render(merge(CELERY, missing))
        assert not rendered.objects
        assert named in rendered.error


class TestWorkers:
    def test_a_worker_has_an_hour_for_the_tasks_it_has(self) -> None:
        assert pod(render(CELERY), "celery-worker")["spec"]["terminationGracePeriodSeconds"] == 3600

    def test_lines_of_tasks_are_on_standard_output_as_json(self) -> None:
        names = ("AIRFLOW__CELERY__TASK_LOGS_TO_STDOUT", "AIRFLOW__CELERY__JSON_LOGS")
        settings = render(CELERY).environment()
        assert [settings[name] for name in names] == ["True", "True"]
        settings = render(CELERY, {"config": {"celery": {"json_logs": "False"}}}).environment()
        assert settings["AIRFLOW__CELERY__JSON_LOGS"] == "False"
        assert not render().environment().keys() & set(names)

    def test_what_users_set_reaches_airflow(self) -> None:
        celery = {
            "concurrency": 7,
            "prefetchMultiplier": 2,
            "autoscale": "9,3",
            "queues": ["small", "large"],
            "visibilityTimeoutSeconds": 600,
        }
        rendered = render(CELERY, {"celery": celery})
        settings = rendered.environment()
        assert settings["AIRFLOW__CELERY__WORKER_CONCURRENCY"] == "7"
        assert settings["AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER"] == "2"
        assert settings["AIRFLOW__CELERY__WORKER_AUTOSCALE"] == "9,3"
        assert settings["AIRFLOW__OPERATORS__DEFAULT_QUEUE"] == "small"
        assert settings["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT"] == "600"
        assert "--queues=small,large" in main(rendered, "celery-worker")["args"]

    def test_no_read_from_redis_waits_for_ever(self) -> None:
        settings = render(CELERY).environment()
        assert settings["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__SOCKET_TIMEOUT"] == "10"

    def test_processes_come_and_go_only_if_asked(self) -> None:
        assert "AIRFLOW__CELERY__WORKER_AUTOSCALE" not in render(CELERY).environment()
        assert not [key for key in render().environment() if "CELERY" in key]

    def test_there_are_as_many_as_asked(self) -> None:
        assert render(CELERY).find("Deployment", "airflow-celery-worker")["spec"]["replicas"] == 1


class TestScaling:
    def test_it_is_off_unless_there_is_room_between_the_bounds(self) -> None:
        same = {**CELERY, "celery": {"workers": {"fewest": 2, "most": 2}}}
        for values in (CELERY, same):
            assert "worker-autoscaler" not in str(render(values).objects)

    def test_nobody_else_says_how_many(self) -> None:
        spec = render(SCALING).find("Deployment", "airflow-celery-worker")["spec"]
        assert "replicas" not in spec

    def test_it_knows_deployment_bounds_and_queues(self) -> None:
        rendered = render(SCALING, {"celery": {"autoscale": "8,2", "queues": ["a", "b"]}})
        assert main(rendered, "worker-autoscaler")["args"][2:] == [
            "team",
            "airflow-celery-worker",
            *("8", "2", "5", "300"),
            *("a", "b"),
        ]

    def test_it_may_do_one_thing_with_one_object(self) -> None:
        rendered = render(SCALING)
        assert rendered.find("Role", "airflow-worker-autoscaler")["rules"] == [
            {
                "apiGroups": ["apps"],
                "resources": ["deployments/scale"],
                "resourceNames": ["airflow-celery-worker"],
                "verbs": ["get", "patch"],
            }
        ]
        spec = pod(rendered, "worker-autoscaler")["spec"]
        assert spec["serviceAccountName"] == "airflow-worker-autoscaler"
        binding = rendered.find("RoleBinding", "airflow-worker-autoscaler")
        assert [one["name"] for one in binding["subjects"]] == ["airflow-worker-autoscaler"]
        assert from_secrets(main(rendered, "worker-autoscaler")) == BROKER


class TestNetwork:
    def callers(self, name: str) -> set[str]:
        policy = render(FENCED).find("NetworkPolicy", f"airflow-{name}")
        return {
            peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
            for rule in policy["spec"]["ingress"]
            for peer in rule["from"]
        }

    def test_who_reaches_the_queue(self) -> None:
        known = {"scheduler", "celery-worker", "flower", "worker-autoscaler", "celery-logins"}
        assert self.callers("redis") == known

    def test_who_reads_the_logs_of_running_tasks(self) -> None:
        assert self.callers("celery-worker") == {"api-server"}

    def test_nobody_reaches_flower_but_by_a_forwarded_port(self) -> None:
        assert self.callers("flower") == set()
        assert render(FENCED).find("Service", "airflow-flower")["spec"].get("type") is None

    def test_flower_and_the_autoscaler_are_none_that_the_database_lets_in(self) -> None:
        rendered = render(SCALING)
        for component in ("flower", "worker-autoscaler"):
            labels = pod(rendered, component)["metadata"]["labels"]
            assert "aerodrome/uses-database" not in labels
