"""What the chart tells Airflow: executor, logs, API, identity, worker pods."""

import json
from typing import Any

import pytest

from tests.charts.rendering import DIGEST, EVERYTHING, NOTHING, Rendered, render
from tests.unit.images.loading import script


def deployment(rendered: Rendered, component: str) -> dict[str, Any]:
    spec: dict[str, Any] = dict(rendered.pod_specs())[f"airflow-{component}"]
    return spec


def test_tasks_reach_the_execution_api_through_a_service_that_exists() -> None:
    rendered = render({"ui": {"port": 9090}})
    url = rendered.environment()["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]
    service = rendered.find("Service", "airflow-api-server")
    port = service["spec"]["ports"][0]
    assert url == f"http://{service['metadata']['name']}.team.svc:{port['port']}/execution/"
    (container,) = deployment(rendered, "api-server")["containers"]
    assert port["targetPort"] in {p["name"] for p in container["ports"]}


def test_the_service_leads_to_the_api_server() -> None:
    rendered = render()
    selector = rendered.find("Service", "airflow-api-server")["spec"]["selector"]
    pod = rendered.find("Deployment", "airflow-api-server")["spec"]["template"]
    assert selector.items() <= pod["metadata"]["labels"].items()


def test_a_node_port_is_set_only_where_there_can_be_one() -> None:
    def port(kind: str) -> dict[str, Any]:
        rendered = render({"ui": {"serviceType": kind, "nodePort": 30080}})
        found: dict[str, Any] = rendered.find("Service", "airflow-api-server")["spec"]["ports"][0]
        return found

    assert port("NodePort")["nodePort"] == 30080
    assert "nodePort" not in port("ClusterIP")


def test_logs_go_to_the_bucket_with_the_pods_own_identity() -> None:
    settings = render(EVERYTHING).environment()
    assert settings["AIRFLOW__LOGGING__REMOTE_LOGGING"] == "True"
    assert settings["AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER"] == "s3://my-logs/feature-x/logs"
    connection = settings["AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID"]
    # No key in it: boto3 then asks Pod Identity.
    found = json.loads(settings[f"AIRFLOW_CONN_{connection.upper()}"])
    assert found.keys() == {"conn_type", "extra"}
    assert found["extra"].keys() == {"region_name", "config_kwargs"}
    assert found["extra"]["region_name"] == "eu-west-1"


def test_without_a_bucket_logs_stay_with_the_pod() -> None:
    assert "AIRFLOW__LOGGING__REMOTE_LOGGING" not in render().environment()


def test_an_empty_prefix_means_the_root_of_the_bucket() -> None:
    settings = render({"logs": {"bucket": "my-logs", "prefix": ""}}).environment()
    assert settings["AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER"] == "s3://my-logs"


def test_settings_of_the_user_win() -> None:
    settings = render({"config": {"core": {"parallelism": "7"}}}).environment()
    assert settings["AIRFLOW__CORE__PARALLELISM"] == "7"


def test_nothing_is_said_to_the_section_that_airflow_3_ignores() -> None:
    settings = render(EVERYTHING).environment()
    assert not [key for key in settings if key.startswith("AIRFLOW__WEBSERVER__")]


def test_login_is_flask_appbuilders() -> None:
    # Airflow's own default makes up a new password at every start.
    assert render().environment()["AIRFLOW__CORE__AUTH_MANAGER"].endswith(".FabAuthManager")


def test_whoever_needs_aws_has_the_identity_for_it() -> None:
    rendered = render(EVERYTHING)
    needing = ("airflow-api-server", "airflow-scheduler", "airflow-triggerer", "airflow-worker")
    specs = dict(rendered.pod_specs())
    assert {specs[name]["serviceAccountName"] for name in needing} == {"airflow"}
    rendered.find("ServiceAccount", "airflow")


class TestKubernetesExecutor:
    def test_the_scheduler_finds_the_pod_template_where_the_settings_say(self) -> None:
        rendered = render()
        path = rendered.environment()["AIRFLOW__KUBERNETES_EXECUTOR__POD_TEMPLATE_FILE"]
        spec = deployment(rendered, "scheduler")
        (mount,) = [m for m in spec["containers"][0]["volumeMounts"] if m["name"] == "pod-template"]
        (volume,) = [v for v in spec["volumes"] if v["name"] == "pod-template"]
        files = rendered.find("ConfigMap", volume["configMap"]["name"])["data"]
        # A file of its own does not change under a scheduler that runs.
        assert mount["subPath"] in files
        assert mount["mountPath"] == path

    def test_the_worker_pod_is_what_the_executor_expects(self) -> None:
        worker = render().worker()
        assert worker["kind"] == "Pod"
        assert [c["name"] for c in worker["spec"]["containers"]] == ["base"]
        assert worker["spec"]["restartPolicy"] == "Never"
        assert worker["spec"]["containers"][0]["envFrom"] == [
            {"configMapRef": {"name": "airflow-config"}}
        ]

    @pytest.mark.parametrize(
        ("start_pods", "able"),
        [
            (True, {"scheduler", "api-server", "triggerer", "worker"}),
            (False, {"scheduler", "api-server"}),
        ],
    )
    def test_tasks_talk_to_kubernetes_where_they_may_start_pods(
        self, start_pods: bool, able: set[str]
    ) -> None:
        rendered = render({"workers": {"startPods": start_pods}})
        assert with_token(rendered) == able
        role = rendered.find("Role", "airflow-pod-launcher")
        reached = {resource for rule in role["rules"] for resource in rule["resources"]}
        # Out of a container beside the pod's own comes what the pod returns.
        assert reached - {"pods/exec"} == {"pods", "pods/log", "events"}
        assert ("pods/exec" in reached) is start_pods

    def test_the_role_is_bound_to_the_account_and_leaves_nothing_open(self) -> None:
        rendered = render()
        binding = rendered.find("RoleBinding", "airflow-pod-launcher")
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": "airflow", "namespace": "team"}
        ]
        role = rendered.find("Role", binding["roleRef"]["name"])
        assert not [rule for rule in role["rules"] if "*" in rule["verbs"]]

    def test_a_pod_that_died_before_its_task_began_uses_up_no_try(self) -> None:
        settings = render().environment()
        assert int(settings["AIRFLOW__KUBERNETES_EXECUTOR__POD_LAUNCH_FAILURE_RETRIES"]) > 0

    def test_a_task_knows_how_long_it_may_take_to_stop(self) -> None:
        worker = render({"workers": {"terminationGracePeriodSeconds": 90}}).worker()
        (container,) = worker["spec"]["containers"]
        assert {"name": "AERODROME_GRACE_SECONDS", "value": "90"} in container["env"]
        assert worker["spec"]["terminationGracePeriodSeconds"] == 90

    def test_pods_that_tasks_start_get_the_image_and_what_their_namespace_demands(self) -> None:
        plain, restricted = (
            render({"workers": {"restrictedPods": value}}).environment() for value in (False, True)
        )
        for settings in (plain, restricted):
            assert settings["AERODROME_NAMESPACE"] == "team"
            assert settings["AERODROME_IMAGE"] == f"registry.example/airflow@{DIGEST}"
        assert "AERODROME_RESTRICTED_PODS" not in plain
        assert restricted["AERODROME_RESTRICTED_PODS"] == "true"

    def test_the_tasks_pod_is_shown_to_the_api_server_before_anything_changes(self) -> None:
        rendered = render(EVERYTHING)
        check = rendered.find("PodTemplate", "airflow-worker")
        assert check["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert check["template"]["spec"] == rendered.worker()["spec"]

    def test_a_tasks_pod_soon_sees_that_the_task_has_ended(self) -> None:
        # Until then its log is not in S3. Airflow's own 5 seconds can be felt.
        settings = render().environment()
        assert float(settings["AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL"]) <= 2

    def test_pods_of_tasks_are_removed(self) -> None:
        settings = render().environment()
        assert settings["AIRFLOW__KUBERNETES_EXECUTOR__DELETE_WORKER_PODS"] == "True"
        assert settings["AIRFLOW__KUBERNETES_EXECUTOR__DELETE_WORKER_PODS_ON_FAILURE"] == "True"


def with_token(rendered: Rendered) -> set[str]:
    """Whose pods get the service account's token."""
    default = rendered.find("ServiceAccount", "airflow")["automountServiceAccountToken"]
    return {
        name.removeprefix("airflow-")
        for name, spec in rendered.pod_specs()
        if spec.get("automountServiceAccountToken", default)
    }


class TestLocalExecutor:
    def test_nothing_may_talk_to_kubernetes_unless_tasks_start_pods(self) -> None:
        assert with_token(render({"executor": "LocalExecutor"})) == {"scheduler", "triggerer"}
        rendered = render({"executor": "LocalExecutor", "workers": {"startPods": False}})
        assert with_token(rendered) == set()
        for name, spec in rendered.pod_specs():
            assert not spec.get("automountServiceAccountToken"), name

    def test_there_is_no_pod_template(self) -> None:
        rendered = render({"executor": "LocalExecutor"})
        assert not [o for o in rendered.objects if o["metadata"]["name"].endswith("template")]
        assert not [key for key in rendered.environment() if "KUBERNETES_EXECUTOR" in key]

    def test_as_many_tasks_at_once_as_its_memory_holds(self) -> None:
        settings = render({"executor": "LocalExecutor"}).environment()
        assert settings["AIRFLOW__CORE__PARALLELISM"] == "8"
        assert render().environment()["AIRFLOW__CORE__PARALLELISM"] == "32"


class TestTasksInTheSchedulersPod:
    @pytest.mark.parametrize(
        ("executor", "parallelism", "requests", "limits"),
        [
            ("KubernetesExecutor", "32", "256Mi", "1Gi"),
            ("LocalExecutor", "8", "1280Mi", "3072Mi"),
            ("sequential", "1", "384Mi", "1280Mi"),
            ("KubernetesExecutor,LocalExecutor", "8", "1280Mi", "3072Mi"),
        ],
    )
    def test_its_memory_holds_as_many_as_may_run_at_once(
        self, executor: str, parallelism: str, requests: str, limits: str
    ) -> None:
        rendered = render({"executor": executor})
        assert rendered.environment()["AIRFLOW__CORE__PARALLELISM"] == parallelism
        (container,) = deployment(rendered, "scheduler")["containers"]
        assert container["resources"]["requests"]["memory"] == requests
        assert container["resources"]["limits"]["memory"] == limits

    @pytest.mark.parametrize(
        ("own", "limits"), [("1.5Gi", "2048Mi"), ("500M", "989Mi"), ("700Mi", "1212Mi")]
    )
    def test_whatever_unit_the_scheduler_itself_is_given_in(self, own: str, limits: str) -> None:
        scheduler = {"parallelism": 2, "resources": {"limits": {"memory": own}}}
        rendered = render({"executor": "LocalExecutor", "scheduler": scheduler})
        (container,) = deployment(rendered, "scheduler")["containers"]
        assert container["resources"]["limits"]["memory"] == limits

    def test_it_waits_for_them_when_it_stops(self) -> None:
        local = render({"executor": "LocalExecutor"})
        assert deployment(local, "scheduler")["terminationGracePeriodSeconds"] == 600
        assert deployment(render(), "scheduler")["terminationGracePeriodSeconds"] == 60

    def test_sequential_is_what_airflow_calls_local(self) -> None:
        settings = render({"executor": "sequential"}).environment()
        assert settings["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"


class TestDatabase:
    def test_service_and_probes_lead_to_the_same_port(self) -> None:
        rendered = render()
        port = rendered.find("Service", "airflow-database")["spec"]["ports"][0]
        (container,) = deployment(rendered, "database")["containers"]
        assert port["port"] == 5432
        assert port["targetPort"] == container["ports"][0]["name"]

    @pytest.mark.parametrize("policy", ["Delete", "Retain"])
    def test_the_volume_goes_or_stays_as_told(self, policy: str) -> None:
        rendered = render({"postgres": {"storage": {"whenDeleted": policy}}})
        spec = rendered.find("StatefulSet", "airflow-database")["spec"]
        assert spec["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == policy

    def test_the_class_of_the_volume_is_the_clusters_default_unless_named(self) -> None:
        def claim(**storage: str) -> dict[str, Any]:
            rendered = render({"postgres": {"storage": storage}})
            spec = rendered.find("StatefulSet", "airflow-database")["spec"]
            found: dict[str, Any] = spec["volumeClaimTemplates"][0]["spec"]
            return found

        assert "storageClassName" not in claim()
        assert claim(storageClass="gp3")["storageClassName"] == "gp3"

    def test_without_it_nothing_of_it_is_left(self) -> None:
        rendered = render(NOTHING)
        assert "StatefulSet" not in rendered.kinds()
        assert not [o for o in rendered.objects if "database" in o["metadata"]["name"]]


class TestMigration:
    def job(self, *values: dict[str, Any]) -> dict[str, Any]:
        (job,) = [o for o in render(*values).objects if o["kind"] == "Job"]
        return job

    def test_it_is_no_hook(self) -> None:
        # With --wait a hook waits for pods that wait for the hook. What makes no pod may be one.
        hooks = {
            item["kind"]
            for item in render(EVERYTHING).objects
            if "helm.sh/hook" in item["metadata"].get("annotations", {})
        }
        assert hooks == {"PodTemplate"}

    @pytest.mark.parametrize(
        "change",
        [
            {"image": {"digest": f"sha256:{'2' * 64}"}},
            {"secretsChecksums": {"database": "other"}},
            {"labels": {"team": "data"}},
            {"migration": {"resources": {"limits": {"memory": "2Gi"}}}},
            {"nodeSelector": {"pool": "system"}},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_whatever_changes_in_it_makes_another_job(self, change: dict[str, Any]) -> None:
        # Kubernetes refuses a change of a Job's template, and the whole upgrade with it.
        other = self.job(change)
        assert other["spec"]["template"] != self.job()["spec"]["template"]
        assert other["metadata"]["name"] != self.job()["metadata"]["name"]

    def test_the_same_input_is_the_same_job(self) -> None:
        assert self.job({"networkPolicies": {"enabled": True}}) == self.job()

    def test_what_another_try_does_not_mend_is_not_tried_again(self) -> None:
        rules = self.job()["spec"]["podFailurePolicy"]["rules"]
        (rule,) = [rule for rule in rules if rule["action"] == "FailJob"]
        (container,) = self.job()["spec"]["template"]["spec"]["containers"]
        assert rule["onExitCodes"] == {
            "containerName": container["name"],
            "operator": "In",
            "values": [script("schema_versions").EXIT_CODE],
        }

    def test_it_stays_when_it_is_done(self) -> None:
        # Whoever waits for it must find it, and `helm upgrade` must not make it again.
        assert "ttlSecondsAfterFinished" not in self.job()["spec"]


class TestNetworkPolicies:
    def policies(self) -> dict[str, dict[str, Any]]:
        objects = render({"networkPolicies": {"enabled": True}}).objects
        return {o["metadata"]["name"]: o["spec"] for o in objects if o["kind"] == "NetworkPolicy"}

    def test_there_are_none_unless_asked_for(self) -> None:
        assert "NetworkPolicy" not in render().kinds()

    def test_every_component_has_one(self) -> None:
        services = ("api-server", "scheduler", "dag-processor", "triggerer", "worker", "database")
        assert set(self.policies()) == {f"airflow-{name}" for name in (*services, "migration")}

    def test_nobody_calls_the_migration(self) -> None:
        policy = self.policies()["airflow-migration"]
        (job,) = (one for one in render().objects if one["kind"] == "Job")
        labels = job["spec"]["template"]["metadata"]["labels"]
        assert policy["podSelector"]["matchLabels"].items() <= labels.items()
        assert (policy["policyTypes"], policy["ingress"]) == (["Ingress"], [])

    def test_a_task_reaches_the_api_but_not_the_database(self) -> None:
        rendered = render({"networkPolicies": {"enabled": True}})
        worker = rendered.worker()["metadata"]["labels"].items()
        (database,) = self.policies()["airflow-database"]["ingress"]
        allowed = database["from"][0]["podSelector"]["matchLabels"].items()
        assert not allowed <= worker
        for component in ("api-server", "scheduler", "dag-processor", "triggerer"):
            pod = rendered.find("Deployment", f"airflow-{component}")["spec"]["template"]
            assert allowed <= pod["metadata"]["labels"].items()
        (api,) = self.policies()["airflow-api-server"]["ingress"]
        assert "from" not in api

    def test_others_reach_the_database_from_admitted_namespaces_only(self) -> None:
        def sources(**postgres: Any) -> list[dict[str, Any]]:
            rendered = render({"networkPolicies": {"enabled": True}, "postgres": postgres})
            (rule,) = rendered.find("NetworkPolicy", "airflow-database")["spec"]["ingress"]
            found: list[dict[str, Any]] = rule["from"]
            return found

        (own,) = sources()
        assert "namespaceSelector" not in own
        own, others = sources(admittedNamespaces={"aerodrome/base": "dev"})
        assert others["namespaceSelector"] == {"matchLabels": {"aerodrome/base": "dev"}}
        # Tasks are not let in from there either.
        assert others["podSelector"] == own["podSelector"]

    def test_who_asks_for_the_servers_figures_is_let_in_where_there_is_a_user_for_it(self) -> None:
        monitor = {"role": "my_monitor", "namespace": "my-monitoring"}
        values = {"networkPolicies": {"enabled": True}, "databaseMonitor": monitor}
        (rule,) = render(values).find("NetworkPolicy", "airflow-database")["spec"]["ingress"]
        assert len(rule["from"]) == 1
        asked = render({**values, "secrets": {"monitor": "my-monitor"}})
        (rule,) = asked.find("NetworkPolicy", "airflow-database")["spec"]["ingress"]
        own, other = rule["from"]
        assert other["podSelector"] == own["podSelector"]
        assert other["namespaceSelector"]["matchLabels"] == {
            "kubernetes.io/metadata.name": "my-monitoring"
        }

    def test_the_user_for_figures_is_made_with_its_secret_dropped_without_and_else_left_alone(
        self,
    ) -> None:
        def told(**values: Any) -> dict[str, Any]:
            (job,) = [one for one in render(values).objects if one["kind"] == "Job"]
            spec = job["spec"]["template"]["spec"]
            (container,) = spec["containers"]
            return {
                one["name"]: one.get("value") or one["valueFrom"]["secretKeyRef"]
                for one in container["env"]
                if one["name"].startswith("MONITOR_")
            }

        role = {"databaseMonitor": {"role": "my_monitor"}}
        assert told() == told(secrets={"monitor": "my-monitor"}) == {}
        assert told(**role) == {"MONITOR_ROLE": "my_monitor"}
        assert told(**role, secrets={"monitor": "my-monitor"}) == {
            "MONITOR_ROLE": "my_monitor",
            "MONITOR_PASSWORD": {"name": "my-monitor", "key": "password"},
        }

    def test_both_users_of_the_database_reach_its_pod_and_the_migration_job(self) -> None:
        def told(component: str, **values: Any) -> dict[str, tuple[str, str]]:
            (pod,) = [
                one["spec"]["template"]["spec"]
                for one in render(values).objects
                if one["metadata"].get("labels", {}).get("app.kubernetes.io/component") == component
                and one["kind"] in ("StatefulSet", "Job")
            ]
            env = pod["containers"][0]["env"]
            read = {one["name"]: one.get("valueFrom", {}).get("secretKeyRef") for one in env}
            mounted = {
                item["path"]: {"name": volume["secret"]["secretName"], "key": item["key"]}
                for volume in pod["volumes"]
                for item in volume.get("secret", {}).get("items", [])
            }
            found = {**read, **mounted}
            return {
                name: (one["name"], one["key"])
                for name, one in found.items()
                if one and any(text in name for text in ("assword", "PASSWORD", "SECOND", "OWNER"))
            }

        both = {"secrets": {"logins": "my-logins"}}
        own = ("my-database", "password")
        assert told("database") == {"password": own}
        assert told("database", **both) == {
            "password": ("my-logins", "password"),
            "second-password": ("my-logins", "second-password"),
            "POSTGRES_SECOND_USER": ("my-logins", "second-username"),
        }
        assert "DATABASE_PASSWORD" not in told("migration")
        assert told("migration", **both) == {
            **told("migration"),
            "DATABASE_PASSWORD": ("my-logins", "password"),
            "SECOND_USER": ("my-logins", "second-username"),
            "SECOND_PASSWORD": ("my-logins", "second-password"),
        }
        # Where the server is another one, somebody else owns the database.
        elsewhere = told("migration", postgres={"enabled": False}, **both)
        owner = {"DATABASE_OWNER": ("my-logins", "owner")}
        assert elsewhere == {**told("migration", **both), **owner}

    def test_nobody_calls_a_task_or_the_dag_processor(self) -> None:
        for name in ("airflow-worker", "airflow-dag-processor"):
            assert self.policies()[name]["ingress"] == []
