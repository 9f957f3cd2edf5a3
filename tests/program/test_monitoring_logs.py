"""What the program makes for logs: alone, beside metrics, and nothing of it otherwise."""

import base64
from typing import Any

import pytest
import yaml

from cli.cloud.catalogue import BY_TYPE
from infra.contract import logs, metrics
from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import SECRETS, Program, run_program
from tests.program.test_monitoring import NAMESPACE, RELEASE, rendered, values

CONFIG = {"environment": "test", "monitoring": "logs", "taskLogDays": "14"}
SECRET = "kubernetes:core/v1:Secret"


@pytest.fixture(scope="module")
def logged() -> Program:
    return run_program(CONFIG, SECRETS)


def secrets(program: Program) -> dict[str, dict[str, Any]]:
    return {
        one.inputs["metadata"]["namespace"]: one.inputs["stringData"]
        for one in program.of_type(SECRET)
        if one.inputs["metadata"]["name"] == logs.SECRET
    }


def test_the_shipper_gets_the_writers_password_alone(logged: Program) -> None:
    found = secrets(logged)
    writer, reader = SECRETS["logsWriterPassword"], SECRETS["logsReaderPassword"]
    assert found == {
        metrics.NAMESPACE: {logs.WRITER: writer, logs.READER: reader},
        logs.SHIPPER_NAMESPACE: {logs.WRITER: writer},
    }
    for word in (writer, reader):
        assert word not in str(values(logged, "-monitoring"))
        assert word not in str(logged.outputs)


def test_only_the_shippers_namespace_lets_pods_see_the_node(logged: Program) -> None:
    levels = {
        one.inputs["metadata"]["name"]: one.inputs["metadata"]["labels"].get(
            "pod-security.kubernetes.io/enforce"
        )
        for one in logged.of_type(NAMESPACE)
    }
    assert levels[logs.SHIPPER_NAMESPACE] == "privileged"
    assert [name for name, level in levels.items() if level == "privileged"] == [
        logs.SHIPPER_NAMESPACE
    ]
    # Nobody's tasks are there: the label is one for the names of environments.
    assert levels[metrics.NAMESPACE] == "restricted"


def test_the_chart_gets_what_it_needs_for_logs_alone(logged: Program) -> None:
    told = values(logged, "-monitoring")
    assert told["metrics"] == {"enabled": False}
    assert told["elasticsearch"]["days"] == 14
    assert told["shipper"]["environment"] == "test"
    assert {name for name, _ in rendered(logged).pod_specs()} == {
        logs.ELASTICSEARCH_SERVICE,
        f"{metrics.RELEASE}-shipper",
    }
    # And Airflow is told nothing: it writes to its standard output as ever.
    assert "metrics" not in values(logged)
    assert logged.outputs["metricsHost"] == ""


def test_both_are_one_release() -> None:
    both = run_program({**CONFIG, "monitoring": "all"}, SECRETS)
    assert len(list(rendered(both).pod_specs())) == 5
    release = both.one(RELEASE, "-monitoring")
    assert {charge.what: charge.amount for charge in BY_TYPE[RELEASE].price(release.inputs)} == {
        "metrics' volume": 10,
        "metrics' buffer": 1,
        "logs' volume": 20,
    }


def test_a_branch_has_none_of_its_own(logged: Program) -> None:
    branch = run_program(BRANCH, BRANCH_SECRETS, {BASE: logged})
    assert not secrets(branch)
    assert values(branch)["metrics"]["enabled"] is False
    # By its namespace the shipper knows whose lines they are.
    (namespace,) = [
        one.inputs["metadata"]["name"]
        for one in branch.of_type(NAMESPACE)
        if one.inputs["metadata"]["name"].startswith("airflow")
    ]
    told = values(logged, "-monitoring")["shipper"]["baseNamespace"]
    assert namespace == f"{told}-{BRANCH['environment']}"


def login_of(program: Program) -> str:
    """As whom the api-server reads logs of tasks."""
    (content,) = [
        one.inputs["stringData"]
        for one in program.of_type(SECRET)
        if one.inputs["metadata"]["name"] == "airflow-task-logs"
    ]
    return base64.b64decode(content["basic-auth"]).decode()


def test_task_logs_are_read_by_the_environments_own_reader(logged: Program) -> None:
    searched = run_program({**CONFIG, "taskLogs": "elasticsearch"}, SECRETS)
    password = SECRETS["logsReaderPassword"]
    assert login_of(searched) == f"reader-test:{logs.reader_password('test', password)}"
    told = values(searched)["taskLogs"]
    assert told["source"] == "elasticsearch"
    assert told["elasticsearch"]["indices"] == "airflow.test.*"
    # The password of all readers stays where it was, and is not in what the chart gets.
    assert password not in str(values(searched))
    assert "taskLogs" not in values(logged)
    # Where tasks write does not change.
    assert values(searched)["logs"] == values(logged)["logs"]


def test_a_branch_reads_its_own_lines_from_its_bases(logged: Program) -> None:
    branch = run_program({**BRANCH, "taskLogs": "elasticsearch"}, BRANCH_SECRETS, {BASE: logged})
    environment = BRANCH["environment"]
    password = logs.reader_password(environment, SECRETS["logsReaderPassword"])
    assert login_of(branch) == f"reader-{environment}:{password}"
    assert values(branch)["taskLogs"]["elasticsearch"]["indices"] == f"airflow.{environment}.*"
    policy = branch.one("kubernetes:networking.k8s.io/v1:NetworkPolicy", "-network").inputs["spec"]
    assert str(logs.ELASTICSEARCH_PORT) in str(policy["egress"])


def test_a_branch_of_a_base_without_logs_is_told_what_to_do(program: Program) -> None:
    with pytest.raises(Exception, match="config set monitoring logs --env test and"):
        run_program({**BRANCH, "taskLogs": "elasticsearch"}, BRANCH_SECRETS, {BASE: program})


OUTSIDE = {
    **CONFIG,
    "elasticsearchUrl": "https://search.example:9243",
    "elasticsearchAuthority": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    "elasticsearchWriter": "ship",
    "elasticsearchReader": "look",
    "taskLogs": "elasticsearch",
}


def test_an_elasticsearch_outside_is_sent_to_and_none_deployed() -> None:
    program = run_program(OUTSIDE, SECRETS)
    chart = rendered(program)
    assert {name for name, _ in chart.pod_specs()} == {f"{metrics.RELEASE}-shipper"}
    assert "elasticsearch" not in str(
        [one.name for one in program.of_type("docker-build:index:Image")]
    )
    settings = yaml.safe_load(
        chart.find("ConfigMap", f"{metrics.RELEASE}-shipper")["data"]["shipper.yaml"]
    )
    exporter = settings["exporters"]["elasticsearch"]
    assert (exporter["endpoint"], exporter["user"]) == (OUTSIDE["elasticsearchUrl"], "ship")
    ways = chart.find("NetworkPolicy", f"{metrics.RELEASE}-shipper")["spec"]["egress"]
    assert ways[0] == {"ports": [{"port": 9243}]}
    published = chart.find("ConfigMap", logs.AUTHORITY)["data"]["ca.crt"]
    assert published.strip() == OUTSIDE["elasticsearchAuthority"].strip()
    # Who searches it needs to know where it is; the shipper's Secret has its own password alone.
    assert secrets(program) == {
        metrics.NAMESPACE: {
            logs.READER: SECRETS["logsReaderPassword"],
            logs.OUTSIDE_URL: OUTSIDE["elasticsearchUrl"],
            logs.OUTSIDE_READER: "look",
        },
        logs.SHIPPER_NAMESPACE: {logs.WRITER: SECRETS["logsWriterPassword"]},
    }
    assert login_of(program) == f"look:{SECRETS['logsReaderPassword']}"
    told = values(program)["taskLogs"]["elasticsearch"]
    assert (told["url"], told["indices"]) == (OUTSIDE["elasticsearchUrl"], "airflow.test.*")
    # Nobody has made a reader there that would see a branch's lines and no others.
    assert program.outputs["logsUrl"] == ""
    # And it costs no disk of the kit's.
    release = program.one(RELEASE, "-monitoring")
    assert not list(BY_TYPE[RELEASE].price(release.inputs))


def test_a_link_to_kibana_names_the_try() -> None:
    config = {**CONFIG, "taskLogs": "elasticsearch", "kibanaUrl": "https://kibana.example/"}
    link = values(run_program(config, SECRETS))["taskLogs"]["elasticsearch"]["frontend"]
    # As Airflow's provider does with it.
    assert "query:'log_id:\"a-b-c--1-1\"'" in link.format(log_id="a-b-c--1-1")
    assert link.startswith("https://kibana.example/app/discover#/")


def test_task_logs_need_logs() -> None:
    config = {"environment": "test", "taskLogs": "elasticsearch", "monitoring": "metrics"}
    with pytest.raises(
        Exception, match=r"'metrics' has no logs: \./aerodrome config set monitoring"
    ):
        run_program(config, SECRETS)


def test_without_it_there_is_nothing(program: Program) -> None:
    assert not secrets(program)
    assert not [one for one in program.resources if one.name.endswith(("elasticsearch", "shipper"))]


def test_a_new_password_makes_elasticsearch_start_again(logged: Program) -> None:
    after = run_program(CONFIG, {**SECRETS, "logsReaderPassword": "another-reader-password"})
    before, then = (values(one, "-monitoring")["elasticsearch"] for one in (logged, after))
    assert before["secretChecksum"] != then["secretChecksum"]


def test_a_password_that_is_missing_is_named() -> None:
    without = {key: word for key, word in SECRETS.items() if key != "logsReaderPassword"}
    with pytest.raises(Exception, match="logsReaderPassword is not set, and monitoring needs"):
        run_program(CONFIG, without)
    # Those of metrics are not asked for.
    others = ("metrics", "grafana")
    run_program(CONFIG, {key: word for key, word in SECRETS.items() if not key.startswith(others)})
