"""The environment's own Rancher after a deployment: registered with a token, and told without one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.base.environments import Environment
from cli.operations.live import Live
from cli.operations.rancher.own import register_own
from cli.operations.rancher.registration import Waits
from infra.contract.outputs import Outputs
from tests.played_rancher import TOKEN, PlayedRancher
from tests.unit.cli.fakes import FakeKubernetes, FakeSession
from tests.unit.cli.test_rancher_verbs import MARKED, WithAgent

QUICK = Waits(agent=0.3, stuck=0.2, manifest=0.2, pause=0.02)


@pytest.fixture
def live(played: PlayedRancher, tmp_path: Path) -> Callable[..., Live]:
    def made(name: str = "dev", **outputs: Any) -> Live:
        session = FakeSession(tmp_path)
        session.fake_kubernetes = WithAgent()
        session.same = f" --env {name}"
        given = {"rancherAddress": played.url, "tenancy": "dedicated", **outputs}
        environment = Environment(name)
        return Live(session, environment, session.backend(environment), Outputs(given))

    return made


def works(live: Live) -> None:
    kubernetes: FakeKubernetes = live.kubernetes  # type: ignore[assignment]  # of the fixture
    assert isinstance(kubernetes, WithAgent)
    kubernetes.works = True


def test_without_a_token_the_next_command_is_told(
    live: Callable[..., Live], played: PlayedRancher
) -> None:
    found = register_own(live(), {})
    assert found["registered"] is False
    assert "has not handed over a token yet" in found["reason"]
    assert found["next"] == f"./aerodrome rancher import --env dev --url {played.url}"
    assert not played.asked


def test_with_a_token_the_cluster_is_found_in_it(
    live: Callable[..., Live], played: PlayedRancher
) -> None:
    there = live()
    works(there)
    played.clusters["c-1"] = played._cluster("c-1", {"name": "a", "annotations": MARKED})
    played.connect()
    found = register_own(there, {"RANCHER_TOKEN": TOKEN}, QUICK)
    assert (found["registered"], found["agent"]["state"], found["next"]) == (True, "healthy", "")


def test_the_token_of_another_rancher_is_not_sent_to_it(
    live: Callable[..., Live], played: PlayedRancher
) -> None:
    other = {"RANCHER_TOKEN": TOKEN, "RANCHER_URL": "https://other.example.com"}
    found = register_own(live(), other)
    assert found["registered"] is False
    assert not played.asked


@pytest.mark.parametrize("status", [401, 403, 422])
def test_a_rancher_that_refuses_fails_no_deployment(
    status: int, live: Callable[..., Live], played: PlayedRancher
) -> None:
    played.broken = status
    found = register_own(live(), {"RANCHER_TOKEN": TOKEN}, QUICK)
    assert found["registered"] is False
    assert found["reason"]
    assert "rancher import" in found["next"]


def test_where_the_server_is_a_record_it_is_not_asked(
    live: Callable[..., Live], played: PlayedRancher
) -> None:
    assert register_own(live("sandbox"), {"RANCHER_TOKEN": TOKEN}) == {}
    assert register_own(live(tenancy="shared", base="dev"), {"RANCHER_TOKEN": TOKEN}) == {}
    assert register_own(live(rancherAddress=""), {"RANCHER_TOKEN": TOKEN}) == {}
    assert not played.asked
