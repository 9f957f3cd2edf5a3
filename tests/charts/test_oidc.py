"""The login by an OpenID provider: which pod is told of it, and has the client's secret."""

import json

import pytest

from tests.charts.rendering import Object, Rendered, merge, render
from tests.charts.rollouts import replaced

GROUPS: Object = {"roles": {}, "users": {}, "owners": {}, "prune": [], "groups": {"team": ["Op"]}}
OIDC: Object = {
    "secrets": {"oidc": "airflow-oidc"},
    "secretsChecksums": {"oidc": "a"},
    "oidc": {"issuer": "https://login.example/realms/team", "clientId": "airflow"},
}


@pytest.fixture(scope="module")
def found() -> Rendered:
    return render(OIDC, {"access": json.dumps(GROUPS)})


def test_the_api_server_alone_is_told_and_has_the_secret(found: Rendered) -> None:
    holders = {name for name, one in found.containers() if "airflow-oidc" in str(one)}
    assert holders == {"airflow-api-server/api-server"}
    told = {name for name, one in found.containers() if "OIDC" in str(one)}
    assert told == holders
    assert "OIDC" not in str(found.find("ConfigMap", "airflow-config"))
    assert "OIDC" not in str(found.worker())


def test_groups_reach_it_with_their_roles(found: Rendered) -> None:
    told = found.environment()
    assert json.loads(told["AERODROME_OIDC_GROUPS"]) == {"team": ["Op"]}
    assert told["AERODROME_OIDC_CHECK_SECONDS"] == "60"
    (container,) = [
        one for name, one in found.containers() if name == "airflow-api-server/api-server"
    ]
    (secret,) = [one for one in container["env"] if one["name"] == "AERODROME_OIDC_CLIENT_SECRET"]
    assert secret["valueFrom"]["secretKeyRef"] == {"name": "airflow-oidc", "key": "client-secret"}


def test_a_new_secret_replaces_the_api_servers_pods_only(found: Rendered) -> None:
    access = {"access": json.dumps(GROUPS)}
    after = render(merge(OIDC, {"secretsChecksums": {"oidc": "b"}}), access)
    assert replaced(found, after) == {"api-server"}


def test_another_role_of_a_group_replaces_no_pod_that_runs_tasks(found: Rendered) -> None:
    groups = {**GROUPS, "groups": {"team": ["Viewer"]}}
    after = render(OIDC, {"access": json.dumps(groups)})
    assert replaced(found, after) == {"api-server", "migration"}


def test_without_an_issuer_nothing_of_it_is_there() -> None:
    assert "OIDC" not in str(render().objects)
    assert "aerodrome_oidc" not in str(render().objects)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"oidc": {"clientId": ""}}, "oidc.clientId"),
        ({"secrets": {"oidc": ""}}, "secrets.oidc"),
        ({"oidc": {"issuer": "http://login.example"}}, "issuer"),
        ({"oidc": {"issuer": "https://user:pass@login.example"}}, "issuer"),
        ({"oidc": {"scopes": "email"}}, "scopes"),
        ({"oidc": {"checkSeconds": 0}}, "checkSeconds"),
    ],
)
def test_half_a_login_is_refused(more: Object, named: str) -> None:
    assert named in render(merge(OIDC, more)).error
