"""The token that the environment's own Rancher has left in Secrets Manager: `up` registers the cluster with it.

Secrets Manager is the emulator's, Rancher is played.
"""

import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cli.base.environments import Environment
from cli.base.errors import CloudError, KitError
from cli.cloud.rancher import AUTHORITY, TOKEN, URL
from cli.operations.live import Live
from cli.operations.rancher import handover
from cli.operations.rancher.own import register_own
from cli.operations.rancher.registration import Waits
from cli.operations.rotation import ages
from cli.stack.backends import Found
from infra.contract.outputs import Outputs
from tests.played_rancher import TOKEN as WORKS
from tests.played_rancher import PlayedRancher
from tests.unit.cli.fakes import FakeSession
from tests.unit.cli.test_rancher_verbs import MARKED, WithAgent
from tests.unit.sandbox.aws.conftest import Emulator, new_emulator, registry

__all__ = ["registry"]

QUICK = Waits(agent=0.3, stuck=0.2, manifest=0.2, token=0.2, pause=0.02)
OTHER = {URL: "https://other.example.com", TOKEN: "token-other:x", AUTHORITY: "of another"}


@pytest.fixture(scope="module")
def emulator(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = new_emulator(tmp_path_factory.mktemp("aws"), registry)
    yield running
    running.kill()
    running.kubernetes.server.shutdown()


@pytest.fixture
def secret(emulator: Emulator, tmp_path: Path) -> str:
    """As the program makes it: without a value."""
    made = emulator.client("secretsmanager").create_secret(Name=f"token-{tmp_path.name}")
    return str(made["ARN"])


@pytest.fixture
def write(emulator: Emulator, secret: str) -> Callable[..., None]:
    def put(text: str = json.dumps({"url": "https://x", "token": WORKS, "authority": ""})) -> None:
        client = emulator.client("secretsmanager")
        client.put_secret_value(SecretId=secret, SecretString=text)

    return put


@pytest.fixture
def live(played: PlayedRancher, emulator: Emulator, secret: str, tmp_path: Path) -> Live:
    session = FakeSession(tmp_path)
    kubernetes = WithAgent()
    kubernetes.works = True
    session.fake_kubernetes = kubernetes
    session.fake_cloud = emulator.client  # type: ignore[assignment]  # the emulator instead of a fake
    environment = Environment("dev")
    outputs = {
        "rancherAddress": played.url,
        "rancherTokenSecret": secret,
        "tenancy": "dedicated",
        "region": "us-east-1",
    }
    played.clusters["c-1"] = played._cluster("c-1", {"name": "a", "annotations": MARKED})
    played.connect()
    return Live(session, environment, session.backend(environment), Outputs(outputs))


@pytest.mark.parametrize("variables", [{}, OTHER])
def test_up_registers_the_cluster_without_anyone_typing_a_token(
    variables: dict[str, str], live: Live, write: Callable[..., None]
) -> None:
    write()
    found = register_own(live, variables, QUICK)
    assert (found["registered"], found["next"]) == (True, "")


def test_a_token_that_somebody_gives_comes_first(
    live: Live, write: Callable[..., None], played: PlayedRancher
) -> None:
    write()
    found = register_own(live, {TOKEN: "token-wrong:hidden"}, QUICK)
    assert "does not accept the token" in found["reason"]


def test_a_server_that_starts_is_waited_for(
    live: Live, write: Callable[..., None], played: PlayedRancher
) -> None:
    def appear(line: str) -> None:
        assert "has not handed over a token yet" in line
        write()

    found = handover.waited_for(live.client, live.outputs, 60.0, 0.01, appear)
    assert found is not None
    assert found.token == WORKS


def test_one_that_has_had_its_time_is_not_waited_for(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "YOUNG", 0.0)
    assert handover.waited_for(live.client, live.outputs, 3600.0, 3600.0, pytest.fail) is None


def test_without_a_value_the_next_command_is_told(live: Live, played: PlayedRancher) -> None:
    found = register_own(live, {}, QUICK)
    assert "has not handed over a token yet" in found["reason"]
    assert found["next"].startswith("./aerodrome rancher import")
    assert not played.asked


@pytest.mark.parametrize("text", ["hidden-value", '["hidden-value"]', '{"key": "hidden-value"}'])
def test_what_is_no_token_is_named_and_not_shown(
    text: str, live: Live, write: Callable[..., None], played: PlayedRancher
) -> None:
    write(text)
    with pytest.raises(KitError) as caught:
        handover.read(live.client, live.outputs)
    assert "hidden-value" not in f"{caught.value.summary} {caught.value.detail}"
    # And no deployment fails of it.
    assert register_own(live, {}, QUICK)["registered"] is False


def test_who_may_not_read_it_is_told(
    live: Live, emulator: Emulator, write: Callable[..., None]
) -> None:
    write()
    key = emulator.user(f"reader-{live.outputs.rancher_token_secret[-6:]}")

    def mine(service: str) -> Any:
        return emulator.client(service, **key)

    with pytest.raises(CloudError, match="refuses to read the token of Rancher"):
        handover.read(mine, live.outputs)


def test_the_token_goes_to_the_environments_own_address_alone(
    live: Live, write: Callable[..., None]
) -> None:
    write(json.dumps({"token": WORKS, "authority": "PEM"}))
    own = live.outputs.rancher_address
    for variables in ({}, {URL: own}, {URL: f"{own}/"}):
        found = handover.variables_for(live.client, live.outputs, variables)
        assert (found[TOKEN], found[AUTHORITY]) == (WORKS, "PEM")
    for variables in ({URL: OTHER[URL]}, OTHER):
        assert handover.variables_for(live.client, live.outputs, variables) == variables
    found = handover.variables_for(live.client, live.outputs, {AUTHORITY: "mine"})
    assert found[AUTHORITY] == "mine"


def test_its_age_is_told(live: Live, secret: str, write: Callable[..., None]) -> None:
    one = Found(ages.HANDED_OVER, "aerodrome-dev-rancher-token", "urn", secret)

    def age() -> ages.SecretAge:
        (found,) = ages.handed_over(live, [one])
        return found

    assert not age().deployed
    write()
    assert age().made == date.today()
    assert age().users == ("Rancher",)
    lost = Found(ages.HANDED_OVER, "lost", "urn", f"{secret}x")
    (unknown,) = ages.handed_over(live, [lost])
    assert (unknown.made, unknown.deployed) == (None, True)
