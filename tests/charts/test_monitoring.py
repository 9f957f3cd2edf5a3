"""charts/monitoring: what pods may do and reach, what is secret, what changes with which value."""

import json
import tomllib
from copy import deepcopy
from typing import Any

import pytest
import yaml

from infra.contract import grafana, logs, metrics
from tests.charts.rendering import DIGEST, ROOT, Object, Rendered, merge, render_exactly

CHART = ROOT / "charts" / "monitoring"
SHIPPER = f"{metrics.RELEASE}-shipper"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
EVERYTHING: Object = yaml.safe_load((CHART / "tests" / "lint-values.yaml").read_text())

LEAST: Object = {
    "metrics": {"enabled": True},
    "secret": metrics.SECRET,
    "influxdb": {"image": {"repository": "registry.example/influxdb", "digest": DIGEST}},
    "telegraf": {"image": {"repository": "registry.example/telegraf", "digest": DIGEST}},
}
"""The least that the chart can be installed with."""


LOGS: Object = {
    "metrics": {"enabled": False},
    "logs": {"enabled": True},
    "elasticsearch": {
        "image": {"repository": "registry.example/elasticsearch", "digest": DIGEST},
        "secret": logs.SECRET,
    },
    "shipper": {
        "image": {"repository": "registry.example/shipper", "digest": DIGEST},
        "namespace": logs.SHIPPER_NAMESPACE,
        "secret": logs.SECRET,
        "environment": "test",
    },
}
"""The same for logs alone."""

OUTSIDE: Object = merge(
    LOGS,
    {
        "elasticsearch": {
            "outside": {
                "url": "https://search.example:9243",
                "writer": "ship",
                "authority": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
            }
        }
    },
)
"""Logs alone, in an Elasticsearch outside."""

INFLUXDB_OUTSIDE: Object = merge(
    LEAST,
    {
        "influxdb": {
            "external": {
                "url": "https://influxdb.example",
                "database": "warehouse",
                "user": "team@example",
            }
        }
    },
)
"""Metrics that go to another's InfluxDB."""

GRAFANA: Object = merge(
    LEAST,
    {
        "grafana": {
            "enabled": True,
            "image": {"repository": "example/grafana", "digest": DIGEST},
            "secret": grafana.SECRET,
        }
    },
)
"""Metrics with a Grafana."""


CONTACTS: Object = merge(
    GRAFANA,
    {
        "grafana": {
            "contacts": {
                "secret": "my-contacts",
                "email": {
                    "addresses": ["ops@example.org"],
                    "host": "mail.example.org",
                    "from": "kit@example.org",
                    "user": "kit",
                },
                "webhook": "open",
            }
        }
    },
)
"""That sends alerts."""


def rendered(values: Object = LEAST) -> Rendered:
    found = render_exactly(values, metrics.RELEASE, metrics.NAMESPACE, CHART)
    assert not found.error, found.error
    return found


def test_names_are_those_that_the_program_knows() -> None:
    found = rendered()
    for name, port in (
        (metrics.INFLUXDB_SERVICE, metrics.INFLUXDB_PORT),
        (metrics.STATSD_SERVICE, metrics.STATSD_PORT),
    ):
        assert found.find("Service", name)["spec"]["ports"][0]["port"] == port
    statements = found.find("ConfigMap", metrics.INFLUXDB_SERVICE)["data"]["statements"]
    for word in (
        metrics.DATABASE,
        metrics.RAW,
        metrics.DOWNSAMPLED,
        metrics.WRITER,
        metrics.READER,
    ):
        assert f'"{word}"' in statements


@pytest.mark.parametrize("values", [LEAST, EVERYTHING], ids=["least", "everything"])
def test_pods_are_confined(values: Object) -> None:
    found = rendered(values)
    for name, spec in found.pod_specs():
        if name != SHIPPER:
            assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    containers = dict(found.containers())
    assert len(containers) == (8 if values is EVERYTHING else 3)
    for container in containers.values():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        assert container["image"].endswith(f"@{DIGEST}")


def test_passwords_are_files_and_only_of_who_needs_them() -> None:
    found = rendered(EVERYTHING)
    users: dict[str, list[str]] = {}
    for name, spec in found.pod_specs():
        assert not [
            one for c in spec["containers"] for one in c.get("env", ()) if "valueFrom" in one
        ]
        users[name] = [
            item["key"]
            for volume in spec["volumes"]
            if "secret" in volume
            for item in volume["secret"]["items"]
        ]
    assert users == {
        metrics.INFLUXDB_SERVICE: list(metrics.USERS),
        metrics.STATSD_SERVICE: [
            metrics.WRITER,
            metrics.MONITOR_ADDRESS,
            metrics.POOLER_ADDRESS,
        ],
        grafana.SERVICE: [
            metrics.READER,
            grafana.ADMIN,
            "smtp-password",
            "slack-url",
            "webhook-url",
            "webhook-token",
        ],
        logs.ELASTICSEARCH_SERVICE: list(logs.USERS),
        SHIPPER: [logs.WRITER],
    }
    # The server itself has them no more, once it is set up.
    (server,) = [c for name, c in found.containers() if name.endswith("/influxdb")]
    assert "passwords" not in [mount["name"] for mount in server["volumeMounts"]]
    assert "Secret" not in found.kinds()


def test_telegraf_may_ask_for_figures_and_pods_and_for_nothing_else() -> None:
    role = rendered().find("ClusterRole", f"{metrics.NAMESPACE}-{metrics.STATSD_SERVICE}")
    assert [(rule["resources"], rule["verbs"]) for rule in role["rules"]] == [
        (["nodes", "pods"], ["list"]),
        (["nodes/stats", "nodes/pods"], ["get"]),
    ]
    influxdb = dict(rendered().pod_specs())[metrics.INFLUXDB_SERVICE]
    assert influxdb["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    ("limit", "variables"),
    [
        ("512Mi", [{"name": "GOMEMLIMIT", "value": "341MiB"}]),
        ("2Gi", [{"name": "GOMEMLIMIT", "value": "1365MiB"}]),
        ("1G", None),
    ],
)
def test_telegrafs_garbage_goes_before_its_pods_memory_is_full(limit: str, variables: Any) -> None:
    resources = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": limit}}
    chart = rendered(merge(LEAST, {"telegraf": {"resources": resources}}))
    container = dict(chart.containers())[f"{metrics.STATSD_SERVICE}/telegraf"]
    assert container.get("env") == variables


def config(values: Object) -> Object:
    (text,) = rendered(values).find("ConfigMap", metrics.STATSD_SERVICE)["data"].values()
    return tomllib.loads(text)


def test_certificates_are_watched_elasticsearchs_with_logs() -> None:
    own = f"tcp://{logs.ELASTICSEARCH_SERVICE}.{metrics.NAMESPACE}.svc:{logs.ELASTICSEARCH_PORT}"
    other = {"telegraf": {"certificates": ["a.example:443", "b.example:8443"]}}
    both = merge(merge(LEAST, LOGS), {"metrics": {"enabled": True}})
    assert "x509_cert" not in config(LEAST)["inputs"]
    for values, sources in (
        (merge(LEAST, other), ["tcp://a.example:443", "tcp://b.example:8443"]),
        (both, [own]),
        (merge(both, other), [own, "tcp://a.example:443", "tcp://b.example:8443"]),
    ):
        (found,) = config(values)["inputs"]["x509_cert"]
        assert found["sources"] == sources


def test_lines_that_arrive_are_counted_where_there_are_metrics() -> None:
    def told(values: Object) -> list[str]:
        containers = dict(rendered(values).containers())
        (keeper,) = [one for name, one in containers.items() if name.endswith("/keeper")]
        return [one["value"] for one in keeper["env"] if one["name"] == "STATSD"]

    assert told(LOGS) == []
    both = merge(merge(LEAST, LOGS), {"metrics": {"enabled": True}})
    assert told(both) == [f"{metrics.STATSD_SERVICE}:{metrics.STATSD_PORT}"]


def test_who_may_reach_influxdb() -> None:
    policy = rendered().find("NetworkPolicy", metrics.INFLUXDB_SERVICE)["spec"]
    peers = [peer["podSelector"]["matchLabels"] for peer in policy["ingress"][0]["from"]]
    telegraf = dict(rendered().find("StatefulSet", metrics.STATSD_SERVICE)["spec"]["template"])
    assert peers[0].items() <= telegraf["metadata"]["labels"].items()
    assert peers[1] == {"aerodrome/reads-metrics": "true"}
    assert len(peers) == 2
    assert policy["egress"] == []


def test_nobody_from_elsewhere_sends_unless_admitted() -> None:
    policy = rendered().find("NetworkPolicy", metrics.STATSD_SERVICE)["spec"]
    assert policy["ingress"][0]["from"] == [{"podSelector": {}}]
    assert policy["ingress"][0]["ports"] == [{"port": "statsd", "protocol": "UDP"}]


def test_volumes_go_with_the_release_unless_told_otherwise() -> None:
    for name in (metrics.INFLUXDB_SERVICE, metrics.STATSD_SERVICE):
        found = rendered().find("StatefulSet", name)["spec"]
        assert found["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete"
    kept = rendered(EVERYTHING).find("StatefulSet", metrics.INFLUXDB_SERVICE)["spec"]
    assert kept["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Retain"


def leaves(node: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for key, child in node.get("properties", {}).items():
        form = str(child.get("$ref", "")).rsplit("/", 1)[-1]
        rule = SCHEMA["definitions"].get(form, child)
        own = [(*path, key)]
        found += leaves(rule, (*path, key)) if "properties" in rule and form != "resources" else own
    return found


LEAVES = leaves(SCHEMA)


def value_at(values: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        values = values[key]
    return values


def with_value(values: Object, path: tuple[str, ...], value: Any) -> Object:
    found = deepcopy(values)
    inner = found
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
    inner[path[-1]] = value
    return found


@pytest.mark.parametrize("path", LEAVES, ids=".".join)
def test_every_value_changes_what_is_rendered(path: tuple[str, ...]) -> None:
    least = LOGS if path[0] in ("logs", "elasticsearch", "shipper") else LEAST
    if path[0] == "grafana":
        least = CONTACTS if path[1] == "contacts" else GRAFANA
    if path[-1] == "tag":
        least = with_value(least, (*path[:-1], "digest"), "")
        least = with_value(least, path, "v0")
    everything = EVERYTHING
    if path[:2] == ("influxdb", "external"):
        least = INFLUXDB_OUTSIDE
    if path[:2] == ("elasticsearch", "outside"):
        # Not among all that is on at once: it stands in the place of the chart's own.
        everything = OUTSIDE
        least = LOGS if path[-1] == "url" else merge(OUTSIDE, with_value({}, path, "before"))
    other = f"sha256:{'2' * 64}" if path[-1] == "digest" else value_at(everything, path)
    if path[-1] == "secret":
        other = "another"
    if path == ("shipper", "namespace"):
        other = "nodes"
    if path[-1] == "repository":
        other = "registry.example/another"
    if path[-1] == "enabled":
        other = False
    assert rendered(with_value(least, path, other)).objects != rendered(least).objects


def test_every_value_has_a_default() -> None:
    for path in LEAVES:
        value_at(DEFAULTS, path)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"influxdb": {"rawDays": 0}}, "rawDays"),
        ({"influxdb": {"colour": "red"}}, "colour"),
        ({"telegraf": {"image": {"repository": ""}}}, "telegraf.image.repository"),
        ({"telegraf": {"storage": {"size": "lots"}}}, "size"),
        ({"telegraf": {"certificates": ["https://a.example"]}}, "certificates"),
    ],
)
def test_what_cannot_be_is_refused(values: Object, words: str) -> None:
    found = render_exactly(merge(LEAST, values), metrics.RELEASE, metrics.NAMESPACE, CHART)
    assert words in found.error
