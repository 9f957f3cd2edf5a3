"""The logs' part of charts/monitoring: what the shipper may do on a node, who reaches Elasticsearch, where lines go."""

import json

import pytest
import yaml

from infra.contract import logs, metrics
from tests.charts.rendering import Object, Rendered, merge, render_exactly
from tests.charts.test_monitoring import CHART, LEAST, LOGS, OUTSIDE, SHIPPER, rendered


@pytest.fixture(scope="module")
def found() -> Rendered:
    return rendered(LOGS)


def shipper_config(found: Rendered) -> Object:
    settings: Object = yaml.safe_load(found.find("ConfigMap", SHIPPER)["data"]["shipper.yaml"])
    return settings


def test_each_part_can_be_alone_and_both_are_there_together(found: Rendered) -> None:
    assert {name for name, _ in found.pod_specs()} == {logs.ELASTICSEARCH_SERVICE, SHIPPER}
    metrics_alone = {name for name, _ in rendered().pod_specs()}
    both = {name for name, _ in rendered(merge(LOGS, LEAST)).pod_specs()}
    assert both == metrics_alone | {logs.ELASTICSEARCH_SERVICE, SHIPPER}


def test_the_shipper_sees_one_folder_of_the_node_and_writes_nothing_there(found: Rendered) -> None:
    spec = dict(found.pod_specs())[SHIPPER]
    (folder,) = [volume for volume in spec["volumes"] if "hostPath" in volume]
    assert folder["hostPath"] == {"path": "/var/log/pods", "type": "Directory"}
    (container,) = spec["containers"]
    (mount,) = [one for one in container["volumeMounts"] if one["name"] == folder["name"]]
    assert mount["readOnly"] is True
    # Root, and none of what makes root more than the owner of root's files.
    assert spec["securityContext"]["runAsUser"] == 0
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()


def test_what_needs_the_node_has_a_namespace_of_its_own(found: Rendered) -> None:
    there = {
        o["kind"] for o in found.objects if o["metadata"].get("namespace") == logs.SHIPPER_NAMESPACE
    }
    assert there == {"DaemonSet", "ConfigMap", "NetworkPolicy", "Role", "RoleBinding"}


def test_elasticsearch_may_write_one_certificate_and_nothing_else(found: Rendered) -> None:
    role = found.find("Role", logs.AUTHORITY)
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": [logs.AUTHORITY],
            "verbs": ["patch"],
        }
    ]
    spec = dict(found.pod_specs())[logs.ELASTICSEARCH_SERVICE]
    holders = [
        container["name"]
        for container in (*spec["initContainers"], *spec["containers"])
        if "token" in [mount["name"] for mount in container["volumeMounts"]]
    ]
    assert holders == ["prepare"]
    # The server itself has no password but as a hash.
    (server,) = [one for one in spec["containers"] if one["name"] == "elasticsearch"]
    assert "passwords" not in [mount["name"] for mount in server["volumeMounts"]]


def test_who_may_reach_elasticsearch_and_whom_the_shipper_reaches(found: Rendered) -> None:
    policy = found.find("NetworkPolicy", logs.ELASTICSEARCH_SERVICE)["spec"]
    shipper, reader = policy["ingress"][0]["from"]
    labels = found.find("DaemonSet", SHIPPER)["spec"]["template"]["metadata"]["labels"]
    assert shipper["podSelector"]["matchLabels"].items() <= labels.items()
    assert logs.SHIPPER_NAMESPACE in shipper["namespaceSelector"]["matchLabels"].values()
    assert reader == {"podSelector": {"matchLabels": {"aerodrome/reads-logs": "true"}}}
    own = found.find("NetworkPolicy", SHIPPER)["spec"]
    assert own["ingress"] == []
    assert own["egress"][0]["ports"] == [{"port": logs.ELASTICSEARCH_PORT}]


def test_the_shipper_sends_where_elasticsearch_listens_and_by_a_name_of_its_certificate(
    found: Rendered,
) -> None:
    exporter = shipper_config(found)["exporters"]["elasticsearch"]
    host = f"{logs.ELASTICSEARCH_SERVICE}.{metrics.NAMESPACE}.svc"
    assert exporter["endpoint"] == f"https://{host}:{logs.ELASTICSEARCH_PORT}"
    containers = dict(found.containers())
    (prepare,) = [one for name, one in containers.items() if name.endswith("/prepare")]
    told = {one["name"]: one["value"] for one in prepare["env"]}
    assert {host, "localhost"} <= set(told["SERVER_NAMES"].split())
    assert told["PUBLISH_TO"] == f"{logs.SHIPPER_NAMESPACE}/{logs.AUTHORITY}"
    assert (told["INDEX"], exporter["index"]) == (logs.INDEX, logs.INDEX)


def test_nothing_that_waits_is_dropped(found: Rendered) -> None:
    settings = shipper_config(found)
    exporter = settings["exporters"]["elasticsearch"]
    queue = exporter["sending_queue"]
    assert (queue["storage"], queue["block_on_overflow"]) == ("file_storage", True)
    assert exporter["retry_on_failure"]["max_elapsed_time"] == "0s"
    assert settings["receivers"]["file_log"]["storage"] == "file_storage"
    volume = next(
        one for one in dict(found.pod_specs())[SHIPPER]["volumes"] if one["name"] == "state"
    )
    room = int(volume["emptyDir"]["sizeLimit"].removesuffix("Mi")) * 1024**2
    assert room > queue["queue_size"]


def test_logs_of_airflow_are_read_and_of_nobody_else(found: Rendered) -> None:
    assert shipper_config(found)["receivers"]["file_log"]["include"] == [
        "/var/log/pods/airflow_*/*/*.log",
        "/var/log/pods/airflow-*_*/*/*.log",
    ]


def test_a_line_is_refused_for_no_field_of_its_own(found: Rendered) -> None:
    text = found.find("ConfigMap", logs.ELASTICSEARCH_SERVICE)["data"]["template.json"]
    template = json.loads(text)
    assert template["index_patterns"] == [f"{logs.INDEX}.*"]
    assert template["template"]["mappings"]["dynamic"] is False


def test_of_an_elasticsearch_outside_the_shipper_alone_is_deployed() -> None:
    found = rendered(OUTSIDE)
    assert {name for name, _ in found.pod_specs()} == {SHIPPER}
    exporter = shipper_config(found)["exporters"]["elasticsearch"]
    assert exporter["endpoint"] == "https://search.example:9243"
    # Nobody else puts the template there; how many copies an index has is its owner's decision.
    template = json.loads(found.find("ConfigMap", SHIPPER)["data"]["template.json"])
    assert exporter["template_file"] == "/etc/shipper/template.json"
    assert "number_of_replicas" not in template["template"]["settings"]
    own = rendered(LOGS)
    assert "template_file" not in shipper_config(own)["exporters"]["elasticsearch"]


def test_public_authorities_vouch_for_one_without_a_certificate() -> None:
    found = rendered(merge(OUTSIDE, {"elasticsearch": {"outside": {"authority": ""}}}))
    assert "authority" not in str(dict(found.pod_specs())[SHIPPER]["volumes"])
    assert "ca_file" not in shipper_config(found)["exporters"]["elasticsearch"]
    port = {"elasticsearch": {"outside": {"url": "https://search.example"}}}
    policy = rendered(merge(OUTSIDE, port)).find("NetworkPolicy", SHIPPER)["spec"]
    assert policy["egress"][0] == {"ports": [{"port": 443}]}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"elasticsearch": {"outside": {"url": "search.example"}}}, "url"),
        ({"shipper": {"namespace": ""}}, "shipper.namespace"),
        ({"shipper": {"environment": ""}}, "shipper.environment"),
        ({"shipper": {"secret": ""}}, "secret: the name of a Secret"),
        ({"elasticsearch": {"heap": "lots"}}, "heap"),
        ({"elasticsearch": {"days": 0}}, "days"),
    ],
)
def test_what_cannot_be_is_refused(values: Object, words: str) -> None:
    given = merge(LOGS, values)
    assert words in render_exactly(given, metrics.RELEASE, metrics.NAMESPACE, CHART).error
