"""What the rotation of the tokens' key reads and writes, and for whom it waits."""

import base64
from typing import cast

import pytest

from cli.base.phases import Phases
from cli.base.values import Secret
from cli.cloud.kubernetes import Object
from cli.operations.deployment import DeploymentPlan
from cli.operations.live import Live
from cli.operations.rotation import token_installation, tokens
from cli.operations.rotation.rollout import Rollout
from cli.operations.rotation.token_installation import TokenInstallation
from cli.operations.rotation.tokens import Keys
from cli.stack.rotation import Rotation
from infra.contract import token_keys
from tests.unit.cli.fakes import FakeAirflow
from tests.unit.cli.operations.rotation.conftest import Cluster

OLD, NEW = "old-0123456789abcdef0123456789abcdef", "new-0123456789abcdef0123456789abcdef"


@pytest.fixture
def installation(live: Live) -> TokenInstallation:
    live.backend.set_config("aerodrome:jwtSecret", OLD, secret=True)
    plan, phases = cast(DeploymentPlan, None), cast(Phases, None)
    return TokenInstallation(Rollout(live, plan, phases, "jwt", ("jwt",), tokens.STEPS))


def test_what_is_configured_is_read_back(installation: TokenInstallation, live: Live) -> None:
    for keys in tokens.stages_of(Rotation.begin(OLD, NEW)):
        installation.configure(keys)
        assert installation.configured() == keys
    assert "aerodrome:acceptedJwtSecrets" not in live.backend.configured()
    assert isinstance(live.backend.config()["aerodrome:jwtSecret"], Secret)


def test_what_is_deployed_is_in_the_secret(
    installation: TokenInstallation, cluster: Cluster
) -> None:
    content = {token_keys.KEY_ENTRY: OLD, token_keys.SET_ENTRY: token_keys.key_set([OLD, NEW])}

    def find(kind: str, name: str) -> Object:
        assert (kind, name) == ("secret", "airflow-jwt")
        encoded = {k: base64.b64encode(v.encode()).decode() for k, v in content.items()}
        return {"data": encoded}

    cluster.find = find  # type: ignore[method-assign]
    assert installation.deployed() == Keys(OLD, (OLD, NEW))
    del content[token_keys.SET_ENTRY]
    assert installation.deployed() == Keys(OLD)


class Busy(FakeAirflow):
    """Each look sees the next set of tasks."""

    looks: list[set[tuple[str, int]]]

    def with_tokens(self) -> set[tuple[str, int]]:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


def drained(*looks: set[tuple[str, int]], longest: float = 3600.0) -> tuple[int, list[str]]:
    airflow, said = Busy(), list[str]()
    airflow.looks = list(looks)
    count = token_installation.drained(
        airflow,  # type: ignore[arg-type]
        longest,
        0.0,
        said.append,
        pause=0.0,
    )
    return count, said


def test_nobody_is_waited_for_where_nothing_is_at_work() -> None:
    assert drained(set()) == (0, [])


def test_tasks_that_begin_meanwhile_have_the_new_key() -> None:
    """Also another try of the same task, and one that comes back from a pause."""
    one, two, again = ("one", 1), ("two", 1), ("one", 2)
    count, said = drained({one, two}, {two, again}, {one, again})
    assert count == 2
    assert [text.split(";")[0] for text in said] == [
        "tasks with a token of the old key: 2",
        "tasks with a token of the old key: 1",
    ]


def test_a_long_task_is_waited_for_as_long_as_its_token_is_valid() -> None:
    assert drained({("long", 1)}, longest=0.0)[0] == 1
