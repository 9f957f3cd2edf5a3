"""How PgBouncers that stay are told of another list of users. That PgBouncer reads it anew is in test_database.py."""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

import pytest

from cli.base.errors import KitError
from cli.cloud.kubernetes import Object
from cli.operations.live import Live
from cli.operations.rotation import poolers
from tests.unit.cli.fakes import FakeKubernetes

USERS = b'"airflow" "a-password"\n'
AGAIN = "./aerodrome secrets rotate database"


@dataclass
class Pooled(FakeKubernetes):
    """Its pods get the Secret at the second look."""

    looks: int = 0
    slow: bool = False
    broken: str = ""
    told: list[str] = field(default_factory=list)

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        assert (kind, name) == ("secret", "airflow-pgbouncer")
        return {"data": {"users": base64.b64encode(USERS).decode()}}

    def execute(
        self, pod: Object, *command: str, seconds: float | None = None
    ) -> tuple[int, str, str]:
        name = pod["metadata"]["name"]
        if command[0] == self.broken:
            return 1, "", "not found"
        if command[0] == "psql":
            assert command == ("psql", "-c", "reload")
            self.told.append(name)
            return 0, "RELOAD\n", ""
        self.looks += 1
        there = not self.slow and self.looks > 2
        return 0, f"{hashlib.sha256(USERS if there else b'').hexdigest()}  a/file\n", ""


def pod(name: str, phase: str = "Running") -> Object:
    return {"metadata": {"name": name}, "status": {"phase": phase}}


@pytest.fixture
def pooled(live: Live) -> Pooled:
    it = Pooled(pods=[pod("one"), pod("two"), pod("former", "Succeeded")])
    # A property of Live's, and no Kubernetes: what this test looks at is what is asked of it.
    live.kubernetes = it  # type: ignore[misc,assignment]
    return it


def test_each_is_told_when_the_list_is_there(
    live: Live, pooled: Pooled, capsys: pytest.CaptureFixture[str]
) -> None:
    poolers.tell(live, AGAIN)
    assert pooled.told == ["one", "two"]
    assert "a-password" not in capsys.readouterr().err


def test_without_one_nothing_is_asked(live: Live, pooled: Pooled) -> None:
    pooled.pods.clear()
    poolers.tell(live, AGAIN)
    assert pooled.looks == 0


def test_a_list_that_does_not_come_is_no_success(live: Live, pooled: Pooled) -> None:
    pooled.slow = True
    with pytest.raises(KitError, match="does not come to one, two") as failed:
        poolers.tell(live, AGAIN, seconds=0)
    assert failed.value.command == AGAIN
    assert pooled.told == []


@pytest.mark.parametrize("command", ["sha256sum", "psql"])
def test_one_that_cannot_be_told_is_named(live: Live, pooled: Pooled, command: str) -> None:
    pooled.broken = command
    with pytest.raises(KitError, match=f"PgBouncer's pod one does not do `{command}`"):
        poolers.tell(live, AGAIN)
