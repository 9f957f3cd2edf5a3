"""Grafana in charts/monitoring: what its official image reads and where, who gets in, whom it may call. None runs here."""

import json
import re

import pytest
import yaml

from grafana.alerts import ALERTS
from grafana.boards import BOARDS
from infra.contract import grafana, metrics
from tests.charts.rendering import Object, Rendered, merge, render_exactly
from tests.charts.rollouts import replaced
from tests.charts.test_monitoring import CHART, CONTACTS, EVERYTHING, GRAFANA, rendered

LINK = "https://git.example/team/kit/docs/runbooks"
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def found() -> Rendered:
    return rendered(GRAFANA)


def with_grafana(**values: object) -> Object:
    return merge(GRAFANA, {"grafana": values})


def mounted(found: Rendered) -> dict[str, dict[str, str]]:
    """The files of ConfigMaps, by the folder that they are mounted as."""
    spec = dict(found.pod_specs())[grafana.SERVICE]
    (container,) = spec["containers"]
    folders = {mount["name"]: mount for mount in container["volumeMounts"]}
    files = {}
    for volume in spec["volumes"]:
        if "configMap" in volume:
            mount = folders[volume["name"]]
            assert mount["readOnly"] is True
            files[mount["mountPath"]] = found.find("ConfigMap", volume["configMap"]["name"])["data"]
    return files


def one(folder: dict[str, str]) -> Object:
    (text,) = folder.values()
    content: Object = yaml.safe_load(text)
    return content


def rules(found: Rendered) -> list[Object]:
    (group,) = one(mounted(found)["/etc/grafana/provisioning/alerting"])["groups"]
    return list(group["rules"])


def settings(found: Rendered) -> dict[str, str]:
    (container,) = [c for name, c in found.containers() if name.startswith(grafana.SERVICE)]
    return {variable["name"]: variable["value"] for variable in container["env"]}


def test_there_is_none_unless_asked_for() -> None:
    assert not [item for item in rendered().objects if "grafana" in item["metadata"]["name"]]


def test_its_files_are_where_the_official_image_reads_them(found: Rendered) -> None:
    files = mounted(found)
    home = settings(found)["GF_PATHS_PROVISIONING"]
    assert {path for path in files if path.startswith(home)} == {
        f"{home}/{kind}" for kind in ("datasources", "dashboards", "alerting")
    }
    (provider,) = one(files[f"{home}/dashboards"])["providers"]
    boards = files[provider["options"]["path"]]
    assert boards.keys() == {f"{name}.json" for name in BOARDS}
    assert all(json.loads(text)["panels"] for text in boards.values())
    assert {rule["uid"] for rule in rules(found)} == {f"aerodrome-{one.name}" for one in ALERTS}


def test_each_config_map_has_room_to_grow(found: Rendered) -> None:
    """Kubernetes takes a MiB, and Helm keeps all of a release in one Secret of that size, compressed."""
    for folder in mounted(found).values():
        assert sum(map(len, folder.values())) < MEBIBYTE / 4


def test_what_it_writes_has_a_volume(found: Rendered) -> None:
    spec = dict(found.pod_specs())[grafana.SERVICE]
    writable = {volume["name"] for volume in spec["volumes"] if "emptyDir" in volume}
    (container,) = spec["containers"]
    paths = [m["mountPath"] for m in container["volumeMounts"] if m["name"] in writable]
    for name in ("DATA", "LOGS", "PLUGINS"):
        assert [p for p in paths if settings(found)[f"GF_PATHS_{name}"].startswith(p)]
    assert spec["securityContext"]["runAsUser"] == 472
    assert spec["automountServiceAccountToken"] is False


def test_passwords_are_files_that_are_mounted(found: Rendered) -> None:
    (source,) = one(mounted(found)["/etc/grafana/provisioning/datasources"])["datasources"]
    password = re.fullmatch(r"\$__file\{(.+)\}", source["secureJsonData"]["password"])
    assert password
    spec = dict(found.pod_specs())[grafana.SERVICE]
    (container,) = spec["containers"]
    folders = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    there = {
        f"{folders[volume['name']]}/{item['path']}": volume["secret"]["secretName"]
        for volume in spec["volumes"]
        if "secret" in volume
        for item in volume["secret"]["items"]
    }
    assert there == {
        password[1]: metrics.SECRET,
        settings(found)["GF_SECURITY_ADMIN_PASSWORD__FILE"]: grafana.SECRET,
    }
    assert "GF_SECURITY_ADMIN_PASSWORD" not in settings(found)
    assert settings(found)["GF_SECURITY_ADMIN_USER"] == grafana.ADMIN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTH_ANONYMOUS_ENABLED", "false"),
        ("USERS_ALLOW_SIGN_UP", "false"),
        ("SECURITY_ALLOW_EMBEDDING", "false"),
        ("ANALYTICS_REPORTING_ENABLED", "false"),
        ("ANALYTICS_CHECK_FOR_UPDATES", "false"),
        ("ANALYTICS_CHECK_FOR_PLUGIN_UPDATES", "false"),
        ("PLUGINS_PREINSTALL_DISABLED", "true"),
        ("SNAPSHOTS_EXTERNAL_ENABLED", "false"),
    ],
)
def test_nobody_is_let_in_and_nothing_goes_out(name: str, value: str, found: Rendered) -> None:
    assert settings(found)[f"GF_{name}"] == value


def test_whom_it_reaches_and_who_reaches_it(found: Rendered) -> None:
    policy = found.find("NetworkPolicy", grafana.SERVICE)["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == []
    influxdb, dns, contacts = policy["egress"]
    (peer,) = influxdb["to"]
    labels = found.find("StatefulSet", metrics.INFLUXDB_SERVICE)["spec"]["template"]["metadata"]
    assert peer["podSelector"]["matchLabels"].items() <= labels["labels"].items()
    assert {port["port"] for port in dns["ports"]} == {53}
    assert contacts["ports"] == [{"port": 443}]
    # And InfluxDB lets it in.
    own = found.find("Deployment", grafana.SERVICE)["spec"]["template"]["metadata"]["labels"]
    admitted = found.find("NetworkPolicy", metrics.INFLUXDB_SERVICE)["spec"]["ingress"][0]["from"]
    assert [p for p in admitted if p["podSelector"]["matchLabels"].items() <= own.items()]


def test_without_contact_points_it_reaches_nobody_else() -> None:
    alone = rendered(with_grafana(contactPorts=[]))
    assert len(alone.find("NetworkPolicy", grafana.SERVICE)["spec"]["egress"]) == 2


def contacts(found: Rendered) -> Object:
    text = mounted(found)["/etc/grafana/provisioning/alerting"]["contacts.yaml"]
    content: Object = yaml.safe_load(text)
    return content


def test_nobody_is_sent_to_unless_somebody_is_named(found: Rendered) -> None:
    assert list(mounted(found)["/etc/grafana/provisioning/alerting"]) == ["rules.yaml"]
    assert not [name for name in settings(found) if name.startswith("GF_SMTP_")]
    # A way that is left out is no part of the others'.
    slack = rendered(with_grafana(contacts={"secret": "my-contacts", "slack": True}))
    ((point,),) = [contacts(slack)["contactPoints"]]
    assert [one["type"] for one in point["receivers"]] == ["slack"]
    assert not [name for name in settings(slack) if name.startswith("GF_SMTP_")]


def test_all_alerts_go_to_one_contact_point_by_each_way() -> None:
    found = rendered(EVERYTHING)
    content = contacts(found)
    assert content["apiVersion"] == 1
    (point,), (policy,) = content["contactPoints"], content["policies"]
    assert policy["receiver"] == point["name"]
    assert "routes" not in policy
    ways = {one["type"]: one["settings"] for one in point["receivers"]}
    assert len({one["uid"] for one in point["receivers"]}) == len(ways) == 3
    assert ways["email"]["addresses"] == "a@example.org;b@example.org"
    assert ways["webhook"]["authorization_scheme"] == "Bearer"
    # What is secret is a file, and the file is there.
    spec = dict(found.pod_specs())[grafana.SERVICE]
    (volume,) = [one for one in spec["volumes"] if one["name"] == "contacts"]
    (mount,) = [m for m in spec["containers"][0]["volumeMounts"] if m["name"] == "contacts"]
    there = {f"{mount['mountPath']}/{item['path']}" for item in volume["secret"]["items"]}
    told = settings(found)
    files = [
        ways["slack"]["url"],
        ways["webhook"]["url"],
        ways["webhook"]["authorization_credentials"],
        f"$__file{{{told['GF_SMTP_PASSWORD__FILE']}}}",
    ]
    assert {re.sub(r"^\$__file\{(.+)\}$", r"\1", one) for one in files} == there
    assert "GF_SMTP_PASSWORD" not in told
    assert told["GF_SMTP_HOST"] == "smtp.example.org:465"


def test_who_logs_in_to_a_mail_server_does_so_by_tls_only() -> None:
    told = settings(rendered(CONTACTS))
    assert told["GF_SMTP_STARTTLS_POLICY"] == "MandatoryStartTLS"
    relay = rendered(merge(CONTACTS, {"grafana": {"contacts": {"email": {"user": ""}}}}))
    assert settings(relay)["GF_SMTP_STARTTLS_POLICY"] == "OpportunisticStartTLS"
    assert not {"GF_SMTP_USER", "GF_SMTP_PASSWORD__FILE"} & settings(relay).keys()


def test_the_rules_are_the_same_with_contacts(found: Rendered) -> None:
    files = mounted(rendered(CONTACTS))["/etc/grafana/provisioning/alerting"]
    assert files["rules.yaml"] == mounted(found)["/etc/grafana/provisioning/alerting"]["rules.yaml"]


def test_alerts_have_links_to_their_pages_or_none(found: Rendered) -> None:
    assert not [rule for rule in rules(found) if "runbook_url" in rule["annotations"]]
    for address in (LINK, f"{LINK}/"):
        linked = rules(rendered(with_grafana(runbookUrl=address)))
        assert {rule["annotations"]["runbook_url"] for rule in linked} == {
            f"{LINK}/{alert.name}.md" for alert in ALERTS
        }
    # Nothing else of the rules is different.
    for rule in linked:
        del rule["annotations"]["runbook_url"]
    assert linked == rules(found)
    for text in (str(rendered(EVERYTHING).objects), str(found.objects)):
        assert "aerodrome.invalid" not in text


def test_the_data_source_is_the_releases_own() -> None:
    other = render_exactly(GRAFANA, "other", "elsewhere", CHART)
    assert not other.error
    assert "http://other-influxdb.elsewhere.svc.cluster.local:8086" in str(other.objects)
    assert "monitoring-influxdb" not in str(
        [item["data"] for item in other.objects if item["metadata"]["name"].endswith("datasources")]
    )


@pytest.mark.parametrize(
    ("values", "pods"),
    [
        ({"grafana": {"runbookUrl": LINK}}, {"grafana"}),
        ({"grafana": {"secretChecksum": "new"}}, {"grafana"}),
        ({"grafana": {"contactPorts": []}}, set()),
        ({"grafana": {"contacts": {"slack": True, "secret": "my-contacts"}}}, {"grafana"}),
        ({"secretChecksum": "new"}, {"influxdb", "telegraf"}),
    ],
)
def test_pods_are_replaced_when_what_they_read_changes(
    values: Object, pods: set[str], found: Rendered
) -> None:
    assert replaced(found, rendered(merge(GRAFANA, values))) == pods


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"metrics": {"enabled": False}}, "grafana.enabled: it reads InfluxDB"),
        ({"grafana": {"secret": ""}}, "secret: the name of a Secret"),
        ({"grafana": {"image": {"repository": ""}}}, "grafana.image.repository"),
        ({"grafana": {"runbookUrl": "docs/runbooks"}}, "runbookUrl"),
        ({"grafana": {"contactPorts": [0]}}, "contactPorts"),
        ({"grafana": {"contacts": {"slack": True}}}, "secret: the name of a Secret"),
        ({"grafana": {"contacts": {"webhook": "https://x"}}}, "webhook"),
        ({"grafana": {"contacts": {"email": {"addresses": ["ops"]}}}}, "addresses"),
        ({"grafana": {"contacts": {"email": {"addresses": ["a@b"]}}}}, "contacts.email.host"),
        (
            {"grafana": {"contacts": {"email": {"addresses": ["a@b"], "host": "c"}}}},
            "contacts.email.from",
        ),
        ({"grafana": {"anonymous": True}}, "anonymous"),
    ],
)
def test_what_cannot_be_is_refused(values: Object, words: str) -> None:
    found = render_exactly(merge(GRAFANA, values), metrics.RELEASE, metrics.NAMESPACE, CHART)
    assert words in found.error
