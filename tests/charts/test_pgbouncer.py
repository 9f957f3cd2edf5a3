"""PgBouncer's part of the chart: who goes through it, who goes past it, and what it is told."""

import configparser
from typing import Any

import pytest

from tests.charts.rendering import DIGEST, Object, Rendered, merge, render
from tests.charts.rollouts import pods, replaced
from tests.charts.test_secrets import from_secrets, references

POOLED: Object = {
    "secrets": {"pgbouncer": "my-pgbouncer"},
    "pgbouncer": {
        "enabled": True,
        "image": {"repository": "registry.example/pgbouncer", "digest": DIGEST},
    },
}
FENCED: Object = merge(POOLED, {"networkPolicies": {"enabled": True}})
ALL: Object = merge(
    FENCED,
    {
        "executor": "CeleryExecutor,KubernetesExecutor",
        "logs": {"bucket": "my-logs"},
        "backup": {"enabled": True, "bucket": "my-logs"},
        "databaseClean": {"enabled": True, "bucket": "my-logs"},
    },
)
CONNECTION = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
ARGUMENTS = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS_ASYNC"

THROUGH = {"api-server", "scheduler", "dag-processor", "triggerer"}
PAST = {"migration", "backup", "database-clean", "xcom-sweep"}
"""Their sessions keep locks, or read for long: they need a connection of their own."""


def all_pods(rendered: Rendered) -> dict[str, Any]:
    found: dict[str, Any] = dict(pods(rendered))
    for item in rendered.objects:
        if item["kind"] == "CronJob":
            template = item["spec"]["jobTemplate"]["spec"]["template"]
            found[template["metadata"]["labels"]["app.kubernetes.io/component"]] = template
    return found


def containers(pod: Any) -> list[Any]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def connections(pod: Any) -> set[tuple[str, str]]:
    """The Secrets' keys by which its containers find the database."""
    found = (from_secrets(one).get(CONNECTION) for one in containers(pod))
    return {one for one in found if one}


def plain(container: Any, name: str) -> str | None:
    return next((e.get("value") for e in container.get("env", []) if e["name"] == name), None)


def settings(rendered: Rendered) -> configparser.ConfigParser:
    """The rendered pgbouncer.ini."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(rendered.find("ConfigMap", "airflow-pgbouncer")["data"]["pgbouncer.ini"])
    return parser


def test_without_it_nothing_of_it_is_there() -> None:
    assert "pgbouncer" not in str(render().objects)


def test_who_goes_through_it_and_who_past_it() -> None:
    found = all_pods(render(ALL))
    assert {name for name, pod in found.items() if connections(pod)} == THROUGH | PAST
    for name in THROUGH:
        assert connections(found[name]) == {("my-pgbouncer", "connection")}, name
        assert "my-database" not in references(found[name]), name
    for name in PAST:
        assert connections(found[name]) == {("my-database", "connection")}, name


def test_statements_are_not_kept_where_sessions_are_lent() -> None:
    found = all_pods(render(ALL))
    for name, pod in found.items():
        for container in containers(pod):
            through = from_secrets(container).get(CONNECTION) == ("my-pgbouncer", "connection")
            wanted = "aerodrome_database.POOLED_CONNECT_ARGS" if through else None
            assert plain(container, ARGUMENTS) == wanted, name
    assert ARGUMENTS not in str(render().objects)


def test_a_users_own_arguments_win() -> None:
    own = {"config": {"database": {"sql_alchemy_connect_args_async": "own.ARGUMENTS"}}}
    rendered = render(POOLED, own)
    assert rendered.find("ConfigMap", "airflow-config")["data"][ARGUMENTS] == "own.ARGUMENTS"
    for pod in pods(rendered).values():
        assert not [one for one in containers(pod) if plain(one, ARGUMENTS)]


def test_the_policies_let_through_what_goes_that_way() -> None:
    rendered = render(ALL)
    found = all_pods(rendered)
    uses = {
        label: {name for name, pod in found.items() if label in pod["metadata"]["labels"]}
        for label in ("aerodrome/uses-database", "aerodrome/uses-pgbouncer")
    }
    assert uses["aerodrome/uses-database"] == PAST | {"pgbouncer"}
    # Celery's workers write results.
    assert uses["aerodrome/uses-pgbouncer"] == THROUGH | {"celery-worker"}
    assert "worker" not in uses["aerodrome/uses-pgbouncer"]
    policy = rendered.find("NetworkPolicy", "airflow-pgbouncer")["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    (rule,) = policy["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"aerodrome/uses-pgbouncer": "true"}}}]
    assert rule["ports"] == [{"port": "pgbouncer"}]


def test_who_is_asked_for_its_figures_may_ask_and_comes_from_the_namespace_of_monitoring() -> None:
    monitor = {"databaseMonitor": {"role": "my_monitor", "namespace": "my-monitoring"}}
    assert "stats_users" not in settings(render(FENCED, monitor))["pgbouncer"]
    found = render(FENCED, monitor, {"secrets": {"monitor": "my-monitor"}})
    assert settings(found)["pgbouncer"]["stats_users"] == "my_monitor"
    (rule,) = found.find("NetworkPolicy", "airflow-pgbouncer")["spec"]["ingress"]
    assert rule["from"][1:] == [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "my-monitoring"}},
            "podSelector": {"matchLabels": {"aerodrome/uses-pgbouncer": "true"}},
        }
    ]


def test_no_task_reaches_it() -> None:
    assert "aerodrome/uses-pgbouncer" not in render(ALL).worker()["metadata"]["labels"]


def test_passwords_reach_it_as_a_file_and_nothing_else_does() -> None:
    rendered = render(POOLED)
    pod = pods(rendered)["pgbouncer"]
    (container,) = containers(pod)
    assert "env" not in container
    assert "args" not in container
    assert references(pod) == {"my-pgbouncer"}
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert settings(rendered)["pgbouncer"]["auth_file"] == "/run/secrets/pgbouncer/userlist.txt"
    (volume,) = [one for one in pod["spec"]["volumes"] if one["name"] == "users"]
    assert volume["secret"]["items"] == [{"key": "users", "path": "userlist.txt"}]


def test_clients_log_in_with_scram_and_sessions_are_lent_for_a_transaction() -> None:
    found = settings(render(POOLED))["pgbouncer"]
    assert found["auth_type"] == "scram-sha-256"
    assert found["pool_mode"] == "transaction"
    assert "auth_user" not in found
    assert "admin_users" not in found


def test_it_finds_the_charts_own_server_or_another_one() -> None:
    own = settings(render(POOLED))
    assert own["databases"]["*"] == "host=airflow-database port=5432"
    assert own["pgbouncer"]["server_tls_sslmode"] == "prefer"
    server = {"host": "db.example", "port": 5433, "sslmode": "require"}
    other = settings(render(POOLED, {"pgbouncer": {"server": server}}))
    assert other["databases"]["*"] == "host=db.example port=5433"
    assert other["pgbouncer"]["server_tls_sslmode"] == "require"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"secrets": {"pgbouncer": ""}}, "secrets.pgbouncer"),
        ({"pgbouncer": {"image": {"repository": ""}}}, "pgbouncer.image.repository"),
        ({"pgbouncer": {"image": {"digest": ""}}}, "pgbouncer.image"),
        ({"postgres": {"enabled": False}}, "pgbouncer.server.host"),
        ({"pgbouncer": {"poolMode": "session"}}, "poolMode"),
        ({"pgbouncer": {"server": {"sslmode": "maybe"}}}, "sslmode"),
        ({"pgbouncer": {"server": {"host": "a b"}}}, "host"),
    ],
)
def test_what_is_missing_or_wrong_is_named(change: Object, named: str) -> None:
    rendered = render(POOLED, change)
    assert not rendered.objects
    assert named in rendered.error


def test_it_is_replaced_when_its_settings_or_users_change_and_alone() -> None:
    before = render(POOLED)
    assert replaced(before, render(POOLED, {"pgbouncer": {"poolSize": 7}})) == {"pgbouncer"}
    server = {"pgbouncer": {"server": {"host": "db.example"}}}
    assert replaced(before, render(POOLED, server)) == {"pgbouncer"}
    # The password is in the connection, too.
    users = {"secretsChecksums": {"pgbouncer": "other"}}
    assert replaced(before, render(POOLED, users)) == THROUGH | {"pgbouncer"}


def test_switched_on_it_leaves_postgresql_and_the_migration_alone() -> None:
    assert replaced(render(), render(POOLED)) == THROUGH | {"pgbouncer"}


def test_several_have_a_disruption_budget_and_are_spread() -> None:
    assert "PodDisruptionBudget" not in render(POOLED).kinds()
    rendered = render(POOLED, {"pgbouncer": {"replicas": 2}})
    budget = rendered.find("PodDisruptionBudget", "airflow-pgbouncer")
    assert budget["spec"]["maxUnavailable"] == 1
    assert pods(rendered)["pgbouncer"]["spec"]["topologySpreadConstraints"]
