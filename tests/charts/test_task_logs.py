"""Reading logs of tasks from Elasticsearch: which pod may, what it is told, and what no other sees of it."""

import pytest

from infra.contract import logs
from tests.charts.rendering import Object, Rendered, merge, render
from tests.charts.test_monitoring import LOGS
from tests.charts.test_monitoring import rendered as monitoring

SEARCHED: Object = {
    "secrets": {"taskLogs": "airflow-task-logs"},
    "secretsChecksums": {"taskLogs": "a"},
    "taskLogs": {
        "source": "elasticsearch",
        "elasticsearch": {
            "url": logs.ELASTICSEARCH_URL,
            "indices": "airflow.test.*",
            "authority": {"namespace": logs.SHIPPER_NAMESPACE, "configMap": logs.AUTHORITY},
        },
    },
}


@pytest.fixture(scope="module")
def found() -> Rendered:
    return render(SEARCHED)


def test_the_api_server_alone_has_the_password_and_is_told_where(found: Rendered) -> None:
    holders = {name for name, one in found.containers() if "airflow-task-logs" in str(one)}
    assert holders == {"airflow-api-server/api-server"}
    told = {name for name, one in found.containers() if "ELASTICSEARCH" in str(one)}
    assert told == holders
    assert "ELASTICSEARCH" not in str(found.find("ConfigMap", "airflow-config"))
    assert "ELASTICSEARCH" not in str(found.worker())


def test_what_proves_the_server_is_fetched_by_who_has_a_token_for_it(found: Rendered) -> None:
    containers = dict(found.containers())
    fetch = containers["airflow-api-server/fetch-authority"]
    api_server = containers["airflow-api-server/api-server"]
    mounts = {one["name"]: one for one in api_server["volumeMounts"]}
    assert "task-logs-token" not in mounts
    assert mounts["task-logs"]["readOnly"] is True
    (file,) = [one["value"] for one in api_server["env"] if one["name"].endswith("CA_CERTS")]
    assert fetch["args"][2:] == [logs.SHIPPER_NAMESPACE, logs.AUTHORITY, file]
    assert file.startswith(mounts["task-logs"]["mountPath"])


def test_a_new_password_replaces_the_api_servers_pods_only(found: Rendered) -> None:
    after = render(merge(SEARCHED, {"secretsChecksums": {"taskLogs": "b"}}))
    changed = [
        before["metadata"]["name"]
        for before, then in zip(found.objects, after.objects, strict=True)
        if before != then
    ]
    assert changed == ["airflow-api-server"]


def test_without_it_nothing_of_it_is_there() -> None:
    text = str(render().objects)
    for word in ("ELASTICSEARCH", "task-logs", "fetch_authority"):
        assert word not in text


def test_a_server_that_public_authorities_vouch_for_needs_no_certificate() -> None:
    server = {"url": "https://search.example", "authority": {"namespace": "", "configMap": ""}}
    found = render(merge(SEARCHED, {"taskLogs": {"elasticsearch": server}}))
    containers = dict(found.containers())
    assert "airflow-api-server/fetch-authority" not in containers
    assert "CA_CERTS" not in str(containers["airflow-api-server/api-server"])


def test_elasticsearch_lets_the_api_servers_of_its_environments_in(found: Rendered) -> None:
    labels = {"aerodrome/environment": "test", "aerodrome/base": "test"}
    policy = monitoring(merge(LOGS, {"admittedNamespaces": labels})).find(
        "NetworkPolicy", logs.ELASTICSEARCH_SERVICE
    )
    peers = policy["spec"]["ingress"][0]["from"][2:]
    assert [one["namespaceSelector"]["matchLabels"] for one in peers] == [
        {label: "test"} for label in sorted(labels)
    ]
    pods = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
        for one in found.objects
        if one["kind"] == "Deployment"
    }
    for peer in peers:
        wanted = peer["podSelector"]["matchLabels"].items()
        assert [name for name, has in pods.items() if wanted <= has.items()] == [
            "airflow-api-server"
        ]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"taskLogs": {"elasticsearch": {"url": ""}}}, "taskLogs.elasticsearch.url"),
        ({"taskLogs": {"elasticsearch": {"indices": ""}}}, "taskLogs.elasticsearch.indices"),
        ({"secrets": {"taskLogs": ""}}, "secrets.taskLogs"),
        ({"taskLogs": {"source": "kibana"}}, "source"),
        ({"taskLogs": {"elasticsearch": {"url": "https://a:b@c"}}}, "url"),
    ],
)
def test_what_cannot_be_is_refused(values: Object, words: str) -> None:
    assert words in render(merge(SEARCHED, values)).error
