"""What the program makes for monitoring, on both tenancies, and that it makes nothing of it otherwise."""

import urllib.parse
from typing import Any

import pytest

from cli.cloud.catalogue import BY_TYPE
from infra.contract import metrics
from infra.contract.secret_contents import SECRET_NAMES
from tests.charts.rendering import ROOT, Rendered, render_exactly
from tests.charts.rollouts import replaced
from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import SECRETS, Program, run_program
from tests.program.test_rollouts import AIRFLOW, deployed

CONFIG = {"environment": "test", "monitoring": "metrics"}
RELEASE = "kubernetes:helm.sh/v3:Release"
NAMESPACE = "kubernetes:core/v1:Namespace"
PASSWORDS = {
    user: SECRETS[f"metrics{user.capitalize()}Password"]
    for user in (metrics.ADMIN, metrics.WRITER, metrics.READER)
}


@pytest.fixture(scope="module")
def monitored() -> Program:
    return run_program(CONFIG, SECRETS)


@pytest.fixture(scope="module")
def branch(monitored: Program) -> Program:
    return run_program(BRANCH, BRANCH_SECRETS, {BASE: monitored})


def values(program: Program, release: str = "-airflow") -> dict[str, Any]:
    found: dict[str, Any] = program.one(RELEASE, release).inputs["values"]
    return found


def rendered(program: Program) -> Rendered:
    release = program.one(RELEASE, "-monitoring").inputs
    found = render_exactly(
        dict(release["values"]),
        release["name"],
        metrics.NAMESPACE,
        ROOT / "charts" / "monitoring",
    )
    assert not found.error
    return found


def test_its_users_passwords_are_in_one_secret_and_in_no_value(monitored: Program) -> None:
    secret = monitored.one("kubernetes:core/v1:Secret", f"-{metrics.SECRET}")
    assert secret.inputs["stringData"] == PASSWORDS
    assert "stringData" in secret.secret_inputs
    for word in PASSWORDS.values():
        assert word not in str(values(monitored, "-monitoring"))
        assert word not in str(values(monitored))
        assert word not in str(monitored.outputs)


def test_airflow_sends_to_where_the_chart_listens(monitored: Program) -> None:
    told = values(monitored)["metrics"]
    assert told == {"enabled": True, "host": metrics.STATSD_HOST, "port": metrics.STATSD_PORT}
    service = rendered(monitored).find("Service", metrics.STATSD_SERVICE)
    assert service["spec"]["ports"][0]["port"] == told["port"]
    assert told["host"].split(".")[:2] == [metrics.STATSD_SERVICE, metrics.NAMESPACE]
    settings = deployed(monitored).rendered.environment()
    assert settings["AIRFLOW__METRICS__STATSD_ON"] == "True"
    assert settings["AERODROME_ENVIRONMENT"] == "test"


def test_environments_of_the_cluster_may_send_and_nobody_else(
    monitored: Program, branch: Program
) -> None:
    policy = rendered(monitored).find("NetworkPolicy", metrics.STATSD_SERVICE)
    peers = [
        peer["namespaceSelector"]["matchLabels"] for peer in policy["spec"]["ingress"][0]["from"]
    ]
    for program, name in ((monitored, "-namespace"), (branch, "-namespace")):
        labels = program.one(NAMESPACE, name).inputs["metadata"]["labels"]
        assert [peer for peer in peers if peer.items() <= labels.items()]
    assert all(peer for peer in peers)


def test_a_branch_sends_to_its_base_and_has_none_of_its_own(branch: Program) -> None:
    assert values(branch)["metrics"]["host"] == metrics.STATSD_HOST
    assert values(branch)["metrics"]["enabled"] is True
    assert len(branch.of_type(RELEASE)) == 2
    settings = deployed(branch).rendered.environment()
    assert settings["AERODROME_ENVIRONMENT"] == BRANCH["environment"]
    (policy,) = branch.of_type("kubernetes:networking.k8s.io/v1:NetworkPolicy")
    ways = [rule for rule in policy.inputs["spec"]["egress"] if "8125" in str(rule.get("ports"))]
    assert [port["protocol"] for rule in ways for port in rule["ports"]] == ["UDP"]
    assert metrics.NAMESPACE in str(ways)


def test_a_branch_of_a_base_without_sends_none(shared: Program) -> None:
    assert values(shared)["metrics"]["enabled"] is False
    assert "AIRFLOW__METRICS__STATSD_ON" not in deployed(shared).rendered.environment()


def test_metrics_come_before_who_sends_them(monitored: Program) -> None:
    """A process that finds no address sends nothing at first; and it goes after them."""
    airflow = monitored.one(RELEASE, "-airflow")
    assert monitored.depends_on(airflow, monitored.one(RELEASE, "-monitoring"))


def test_without_it_there_is_nothing(program: Program) -> None:
    assert "metrics" not in values(program)
    assert not [one for one in program.resources if "monitoring" in one.name]
    assert not [one for one in program.resources if one.name.endswith(("influxdb", "telegraf"))]
    assert program.outputs["metricsHost"] == ""


def test_airflows_pods_are_replaced_and_those_of_the_database_stay(
    monitored: Program, program: Program
) -> None:
    assert replaced(deployed(program).rendered, deployed(monitored).rendered) == AIRFLOW


def test_a_new_password_starts_both_again(monitored: Program) -> None:
    after = run_program(CONFIG, {**SECRETS, "metricsWriterPassword": "another-writer-password"})
    before_sum = values(monitored, "-monitoring")["secretChecksum"]
    assert values(after, "-monitoring")["secretChecksum"] != before_sum


def test_telegraf_has_a_user_of_its_own_in_postgresql(monitored: Program) -> None:
    """The migration makes it, with the password that is in both Secrets; the server's policy lets Telegraf in."""
    password = SECRETS["metricsDatabasePassword"]
    own = monitored.one("kubernetes:core/v1:Secret", f"-{SECRET_NAMES['monitor']}")
    assert own.inputs["stringData"] == {"password": password}
    other = monitored.one("kubernetes:core/v1:Secret", f"-{metrics.MONITOR_SECRET}")
    assert monitored.depends_on(monitored.one(RELEASE, "-monitoring"), other)
    found = urllib.parse.urlsplit(other.inputs["stringData"][metrics.MONITOR_ADDRESS])
    assert found.password is not None
    assert (found.username, urllib.parse.unquote(found.password)) == (metrics.MONITOR, password)
    assert found.hostname == "airflow-database.airflow.svc.cluster.local"
    assert found.path.removeprefix("/") in str(
        monitored.one("kubernetes:core/v1:Secret", "-airflow-database").inputs["stringData"]
    )
    for one in (own, other):
        assert "stringData" in one.secret_inputs
    for release in ("-monitoring", "-airflow"):
        assert password not in str(values(monitored, release))
        assert found.password not in str(values(monitored, release))
    database = deployed(monitored).rendered.find("NetworkPolicy", "airflow-database")
    pod = rendered(monitored).find("StatefulSet", metrics.STATSD_SERVICE)["spec"]["template"]
    (admitted,) = [
        peer
        for peer in database["spec"]["ingress"][0]["from"]
        if metrics.NAMESPACE in str(peer.get("namespaceSelector"))
    ]
    assert admitted["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


def test_on_rds_telegraf_asks_the_instance_with_tls(monitored: Program) -> None:
    rds = run_program({**CONFIG, "database": "rds"}, SECRETS)
    secret = rds.one("kubernetes:core/v1:Secret", f"-{metrics.MONITOR_SECRET}")
    found = urllib.parse.urlsplit(secret.inputs["stringData"][metrics.MONITOR_ADDRESS])
    assert found.query == "sslmode=require"
    assert found.hostname != "airflow-database.airflow.svc.cluster.local"
    before, after = (
        values(one, "-monitoring")["telegraf"]["postgresql"]["secretChecksum"]
        for one in (monitored, rds)
    )
    assert before != after


def test_the_user_in_postgresql_goes_with_metrics_and_a_branch_has_none(
    program: Program, branch: Program
) -> None:
    assert values(program)["databaseMonitor"]["role"] == metrics.MONITOR
    assert "monitor" not in values(program)["secrets"]
    assert "databaseMonitor" not in values(branch)
    assert "monitor" not in values(branch)["secrets"]


def test_a_new_password_in_postgresql_replaces_telegraf_and_who_makes_the_user(
    monitored: Program,
) -> None:
    after = run_program(CONFIG, {**SECRETS, "metricsDatabasePassword": "another-password"})
    assert replaced(rendered(monitored), rendered(after)) == {"telegraf"}
    assert replaced(deployed(monitored).rendered, deployed(after).rendered) == {"migration"}


def test_with_pgbouncer_it_replaces_that_too_which_lets_telegraf_in() -> None:
    pooled = {**CONFIG, "pgbouncer": "true"}
    changed = {**SECRETS, "metricsDatabasePassword": "another-password"}
    before, after = (deployed(run_program(pooled, each)).rendered for each in (SECRETS, changed))
    assert replaced(before, after) == {"migration", "pgbouncer"}


def test_certificates_that_are_watched_are_a_setting() -> None:
    watched = run_program({**CONFIG, "certificates": '["a.example:443"]'}, SECRETS)
    assert values(watched, "-monitoring")["telegraf"]["certificates"] == ["a.example:443"]
    for wrong in ("https://a.example", "a.example", "a.example:99999", ":443"):
        with pytest.raises(Exception, match="must be a list of HOST:PORT such as"):
            run_program({**CONFIG, "certificates": f'["{wrong}"]'}, SECRETS)


def test_its_volumes_have_a_price(monitored: Program) -> None:
    release = monitored.one(RELEASE, "-monitoring")
    charges = list(BY_TYPE[RELEASE].price(release.inputs))
    assert {charge.what: charge.amount for charge in charges} == {
        "metrics' volume": 10,
        "metrics' buffer": 1,
    }


def test_elasticsearchs_keeper_may_send_what_it_counts(monitored: Program) -> None:
    """It is in the namespace of Telegraf, which has the labels of who may."""
    labels = monitored.one(NAMESPACE, "-monitoring").inputs["metadata"]["labels"]
    policy = rendered(monitored).find("NetworkPolicy", metrics.STATSD_SERVICE)
    peers = [
        one["namespaceSelector"]["matchLabels"] for one in policy["spec"]["ingress"][0]["from"]
    ]
    assert [peer for peer in peers if peer.items() <= labels.items()]


OUTSIDE = {
    **CONFIG,
    "influxdbUrl": "https://influxdb.example:8086",
    "influxdbDatabase": "warehouse",
    "influxdbUser": "team",
}
PASSWORD = {"influxdbPassword": "of-the-team"}


def test_another_influxdb_is_told_to_the_chart_and_none_is_built() -> None:
    outside = run_program(OUTSIDE, {**SECRETS, **PASSWORD})
    secret = outside.one("kubernetes:core/v1:Secret", f"-{metrics.SECRET}").inputs["stringData"]
    assert secret == {
        **{"url": OUTSIDE["influxdbUrl"], "database": "warehouse", "user": "team"},
        **dict.fromkeys((metrics.WRITER, metrics.READER), PASSWORD["influxdbPassword"]),
    }
    told = values(outside, "-monitoring")
    assert told["influxdb"] == {
        "external": {"url": OUTSIDE["influxdbUrl"], "database": "warehouse", "user": "team"}
    }
    assert PASSWORD["influxdbPassword"] not in str(told)
    assert {name for name, _ in rendered(outside).pod_specs()} == {
        metrics.STATSD_SERVICE,
        f"{metrics.RELEASE}-grafana",
    }
    assert not [one for one in outside.resources if one.name.endswith("influxdb-image")]
    charges = BY_TYPE[RELEASE].price(outside.one(RELEASE, "-monitoring").inputs)
    assert [charge.what for charge in charges] == ["metrics' buffer"]
    # Telegraf and Grafana read a new password.
    again = run_program(OUTSIDE, {**SECRETS, "influxdbPassword": "another"})
    for part in ({}, {"grafana": True}):
        before, after = (values(one, "-monitoring") for one in (outside, again))
        if part:
            before, after = before["grafana"], after["grafana"]
        assert before["secretChecksum"] != after["secretChecksum"]


def test_another_influxdb_needs_a_user_and_a_password_and_no_others() -> None:
    own = {
        key: word
        for key, word in SECRETS.items()
        if not key.startswith("metrics") or key == "metricsDatabasePassword"
    }
    run_program(OUTSIDE, {**own, **PASSWORD})
    with pytest.raises(
        Exception, match="influxdbPassword is not set, and monitoring needs it: pul"
    ):
        run_program(OUTSIDE, own)
    with pytest.raises(Exception, match="influxdbUser is not set, and influxdbUrl needs it"):
        run_program({**OUTSIDE, "influxdbUser": ""}, {**own, **PASSWORD})
    with pytest.raises(Exception, match="influxdbUrl is 'influxdb:8086': must be an address with"):
        run_program({**OUTSIDE, "influxdbUrl": "influxdb:8086"}, {**own, **PASSWORD})
    with pytest.raises(Exception, match=r"influxdbPassword has a \$ in it"):
        run_program(OUTSIDE, {**own, "influxdbPassword": "a$b"})


def test_what_is_missing_or_impossible_is_refused() -> None:
    without = {key: word for key, word in SECRETS.items() if key != "metricsWriterPassword"}
    with pytest.raises(Exception, match="metricsWriterPassword is not set, and monitoring needs"):
        run_program(CONFIG, without)
    with pytest.raises(Exception, match="must be one of none, metrics, logs, all"):
        run_program({**CONFIG, "monitoring": "everything"}, SECRETS)
    with pytest.raises(
        Exception, match="metrics and logs of a shared environment are in its base's"
    ):
        run_program({**BRANCH, "monitoring": "metrics"}, BRANCH_SECRETS)


def test_a_pgbouncers_console_is_asked_where_there_is_one(monitored: Program) -> None:
    found = run_program({**CONFIG, "pgbouncer": "true"}, SECRETS)
    addresses = found.one("kubernetes:core/v1:Secret", f"-{metrics.MONITOR_SECRET}").inputs
    address = urllib.parse.urlsplit(addresses["stringData"][metrics.POOLER_ADDRESS])
    assert (address.hostname, address.port) == ("airflow-pgbouncer.airflow.svc.cluster.local", 6432)
    assert (address.path, address.username) == ("/pgbouncer", metrics.MONITOR)
    password = SECRETS["metricsDatabasePassword"]
    assert urllib.parse.unquote(address.password or "") == password
    users = found.one("kubernetes:core/v1:Secret", "-airflow-pgbouncer").inputs["stringData"]
    assert users["users"].splitlines()[-1] == f'"{metrics.MONITOR}" "{password}"'
    telegraf = rendered(found).find("ConfigMap", metrics.STATSD_SERVICE)["data"]["telegraf.conf"]
    assert "inputs.pgbouncer" in telegraf
    assert "inputs.pgbouncer" not in str(rendered(monitored).objects)
    without = monitored.one("kubernetes:core/v1:Secret", f"-{metrics.MONITOR_SECRET}").inputs
    assert set(without["stringData"]) == {metrics.MONITOR_ADDRESS}
