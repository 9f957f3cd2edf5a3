"""A branch's environment on AWS, through the Pulumi CLI, whose side is in test_automation."""

import signal
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import Result

from cli.base import lease
from cli.base.environments import Environment
from infra.contract import metrics
from infra.contract.naming import branch_environment, secrets_provider
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeBackend, FakeCloud, FakeSession

BRANCH = "feature/login"
NAME = branch_environment("dev", BRANCH)
RunJson = Callable[..., Any]


@pytest.fixture(autouse=True)
def dev(session: FakeSession) -> FakeSession:
    session.fake_backends["dev"] = FakeBackend(there=5)
    session.fake_checkout.current = BRANCH
    session.fake_kubernetes.service = {"spec": {"ports": [{"port": 8080}]}}
    return session


def test_up_makes_a_stack_with_the_base_s_key_and_proves_it(
    session: FakeSession, run_json: RunJson
) -> None:
    data = run_json("up", "--base", "dev", "--yes")
    backend = session.fake_backends[NAME]
    assert backend.calls == [f"create {secrets_provider('dev', 'eu-north-1')}", "up"]
    assert backend.values["aws:region"] == "eu-north-1"
    assert "aerodrome:uiServiceType" not in backend.values
    assert (data["tenancy"], data["base"], data["url"]) == ("shared", "dev", "")
    assert data["provedNow"] is True
    forwarded = ("forwarded", "service/airflow-api-server", "8080")
    assert forwarded in session.fake_kubernetes.calls
    assert session.fake_kubernetes.calls[-1] == ("no longer forwarded",)
    assert session.fake_machine.sandbox is None


MIRROR = "123456789012.dkr.ecr.eu-north-1.amazonaws.com/mirror"
OF_BASE = {
    "aerodrome:imageMirror": MIRROR,
    "aerodrome:httpsProxy": "http://proxy.example.com:3128",
    "aerodrome:noProxy": '[".example.com"]',
}


class TestWhatItHasOfItsBase:
    """Its mirror of images, and its proxies."""

    @pytest.fixture
    def backend(self, session: FakeSession) -> FakeBackend:
        session.fake_backends["dev"].values |= OF_BASE | {"aerodrome:nodeMax": "9"}
        return session.fake_backends.setdefault(NAME, FakeBackend())

    def test_where_nothing_is_its_own(self, backend: FakeBackend, run: Run) -> None:
        result = run("up", "--base", "dev", "--yes")
        assert result.exit_code == 0, result.output
        assert OF_BASE.items() <= backend.values.items()
        assert "aerodrome:nodeMax" not in backend.values

    def test_what_is_its_own_stays(self, backend: FakeBackend, run: Run) -> None:
        own = {"aerodrome:imageMirror": "", "aerodrome:httpProxy": "http://other.example.com:80"}
        backend.values |= own
        assert run("up", "--base", "dev", "--yes").exit_code == 0
        assert own.items() <= backend.values.items()
        # One of the three is its own: then all are.
        assert not {"aerodrome:httpsProxy", "aerodrome:noProxy"} & backend.values.keys()

    @pytest.mark.parametrize("verb", [("up", "--yes"), ("preview",)])
    def test_a_mirror_without_its_base_image_is_refused(
        self, session: FakeSession, backend: FakeBackend, run: Run, verb: tuple[str, ...]
    ) -> None:
        class Empty(FakeCloud):
            """AWS with an ECR that has no images."""

            def __call__(self, service: str) -> Any:
                return NoImages() if service == "ecr" else super().__call__(service)

        session.fake_cloud = Empty()
        result = run(*verb, "--base", "dev")
        assert result.exit_code == 2, result.output
        assert f"The mirror {MIRROR} lacks debian" in result.stderr
        assert backend.calls == []


class NoImages:
    """boto3's client of an ECR without repositories."""

    def describe_images(self, **_: Any) -> Any:
        code = {"Code": "RepositoryNotFoundException", "Message": "no"}
        raise ClientError({"Error": code}, "DescribeImages")

    def can_paginate(self, _: str) -> bool:
        return False

    def describe_pull_through_cache_rules(self, **_: Any) -> Any:
        return {"pullThroughCacheRules": []}


def test_without_yes_it_asks_first(session: FakeSession, run: Run) -> None:
    result = run("up", "--base", "dev")
    assert result.exit_code == 2
    assert "planned: 5 create" in result.stderr
    assert "Cancelled" in result.stderr
    assert "up" not in session.fake_backends[NAME].calls


def test_it_need_not_be_proved(session: FakeSession, run_json: RunJson) -> None:
    assert run_json("up", "--base", "dev", "--yes", "--no-proof")["proof"] == {}
    assert session.fake_airflow.calls == []


def test_no_base(session: FakeSession, run: Run) -> None:
    session.fake_backends["dev"].there = 0
    result = run("up", "--base", "dev", "--yes")
    assert result.exit_code == 2
    assert 'The base environment "dev" is not deployed' in result.stderr
    assert session.fake_backends[NAME].calls == []


def test_a_base_that_is_being_taken_down(session: FakeSession, run: Run) -> None:
    with lease.held(Environment("dev"), "down", lambda _: None):
        result = run("up", "--base", "dev", "--yes")
    assert result.exit_code == 2
    assert '"dev" is being destroyed' in result.stderr


def test_somebody_else_at_work(session: FakeSession, run: Run) -> None:
    with lease.held(Environment(NAME), "up", lambda _: None):
        result = run("up", "--base", "dev", "--yes")
    assert result.exit_code == 2
    assert "`up` is running" in result.stderr
    assert session.fake_backends[NAME].calls == []


def test_a_load_balancer_is_an_address(session: FakeSession, run_json: RunJson) -> None:
    ingress = [{"hostname": "ui.example.com"}]
    session.fake_kubernetes.service = {
        "spec": {"ports": [{"port": 80}]},
        "status": {"loadBalancer": {"ingress": ingress}},
    }
    data = run_json("up", "--base", "dev", "--yes")
    assert data["url"] == "http://ui.example.com:80"


def opened(run: Run, *arguments: str) -> Result:
    """`open`, which waits until it is ended."""
    kept = signal.signal(signal.SIGALRM, lambda *_: None)
    # Again and again: it may come before anybody waits for it.
    signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
    try:
        return run("open", *arguments, "--print")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, kept)


def test_open_forwards_a_port_until_it_is_ended(session: FakeSession, run: Run) -> None:
    result = opened(run, "--env", "dev")
    assert result.stdout == "http://localhost:43210\n"
    assert "until you end this command" in result.stderr
    assert session.fake_kubernetes.calls[-1] == ("no longer forwarded",)


@pytest.mark.parametrize("words", [("--flower",), ("flower",), ("flower", "--flower")])
def test_open_flower_forwards_a_port_to_it(
    words: tuple[str, ...], session: FakeSession, run: Run
) -> None:
    session.fake_backends["dev"].more |= {"flowerService": "airflow-flower", "flowerPort": 5555}
    assert opened(run, *words, "--env", "dev").stdout == "http://localhost:43210\n"
    assert ("forwarded", "service/airflow-flower", "5555") in session.fake_kubernetes.calls


@pytest.mark.parametrize(
    ("part", "target", "login"),
    [
        ("grafana", ("service/monitoring-grafana", "3000"), ("admin", "grafanaAdminPassword")),
        ("influxdb", ("service/monitoring-influxdb", "8086"), ("reader", "metricsReaderPassword")),
    ],
)
def test_open_leads_to_the_monitoring_of_the_base(
    part: str, target: tuple[str, str], login: tuple[str, str], session: FakeSession, run: Run
) -> None:
    session.fake_kubernetes.secrets[metrics.SECRET] = {"data": {}}
    assert run("up", "--base", "dev", "--yes").exit_code == 0
    for words in (("--env", "dev"), ("--base", "dev")):
        result = opened(run, part, *words)
        assert result.stdout == "http://localhost:43210\n", result.stderr
        user, key = login
        assert f"the user is {user}," in result.stderr
        assert f"./aerodrome config get {key} --show --env dev" in result.stderr
        assert ("forwarded", *target) in session.fake_kubernetes.calls
        assert session.fake_kubernetes.namespaces[-1] == metrics.NAMESPACE
        session.fake_kubernetes.calls.clear()


def test_open_says_which_setting_is_missing(session: FakeSession, run: Run) -> None:
    for part in ("grafana", "influxdb"):
        refused = run("open", part, "--env", "dev")
        assert refused.exit_code == 2
        assert 'error: "dev" has no metrics' in refused.stderr
        assert "./aerodrome config set monitoring metrics --env dev" in refused.stderr
    session.fake_kubernetes.secrets[metrics.SECRET] = {"data": {}}
    session.fake_kubernetes.service = None
    refused = run("open", "grafana", "--env", "dev")
    assert refused.exit_code == 2
    assert 'The setting grafana of "dev" is false' in refused.stderr
    assert "./aerodrome config set grafana true --env dev" in refused.stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("grafana", "--flower"), "Either --flower or grafana"),
        (("prometheus",), "'prometheus' is not one of"),
    ],
)
def test_open_refuses_what_it_cannot_open(words: tuple[str, ...], text: str, run: Run) -> None:
    refused = run("open", *words, "--env", "dev")
    assert refused.exit_code == 2
    assert text in refused.stderr


def test_status_and_logs_are_those_of_the_cluster(session: FakeSession, run_json: RunJson) -> None:
    assert run_json("status", "--env", "dev")["airflow"]["scheduler"] == "healthy"
    assert run_json("logs", "scheduler", "--env", "dev")["lines"]
    assert session.fake_kubernetes.namespaces == ["airflow", "airflow"]


def test_a_base_itself_is_configured_by_bootstrap(session: FakeSession, run_json: RunJson) -> None:
    run_json("up", "--env", "dev", "--yes")
    assert session.fake_backends["dev"].values == {}
    assert session.fake_backends["dev"].calls == ["up"]
