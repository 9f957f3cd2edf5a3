"""The end of a database in an RDS instance that was there before: dropped by its release, or named with its place."""

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.base.errors import KitError, UserError
from cli.operations.teardown import existing_database
from cli.stack.backends import Found
from cli.stack.pending import RELEASE
from infra.contract.naming import Names

LABEL = "database airflow_prod in the RDS instance team-postgres"


class Notes:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.gone: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)

    def deleted(self, text: str) -> None:
        self.gone.append(text)


class Rds:
    """RDS with one instance, or without."""

    code = ""

    def describe_db_instances(self, DBInstanceIdentifier: str) -> dict[str, Any]:
        if self.code:
            raise ClientError({"Error": {"Code": self.code}}, "DescribeDBInstances")
        return {"DBInstances": [{"DBInstanceIdentifier": DBInstanceIdentifier}]}


class World:
    """An environment on its way out: what its state and its cluster have."""

    def __init__(self, *, state: bool = True, keep: bool = False, cluster: bool = True) -> None:
        server = {"instance": "team-postgres", "keep": keep}
        release = Found(RELEASE, "x", "urn", "id", inputs={"values": {"server": server}})
        self.rds, self.notes = Rds(), Notes()
        secret = {"metadata": {"labels": {"version": "1"}}}
        kubernetes = SimpleNamespace(
            kubectl="kubectl",
            objects=lambda *_, namespace, **__: [secret] if namespace == "database-admin" else [],
        )
        self.target: Any = SimpleNamespace(
            name="prod",
            names=Names("prod", existing_server=True),
            database_instance="team-postgres",
            backend=SimpleNamespace(resources=lambda: [release] if state else []),
            kubernetes=kubernetes if cluster else None,
            cluster_exists=cluster,
            client=lambda service: self.rds,
            stays=[],
        )

    def settle(self) -> None:
        notes: Any = self.notes
        existing_database.settle(self.target, notes)


@pytest.fixture
def uninstalled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, bool]]:
    """Releases, their namespaces, and whether their hooks run."""
    found: list[tuple[str, str, bool]] = []

    def uninstall(_: Any, release: str, namespace: str, *, hooks: bool = True) -> None:
        found.append((release, namespace, hooks))

    monkeypatch.setattr(existing_database, "uninstall", uninstall)
    return found


def test_the_engine_takes_away_what_the_state_has(uninstalled: list[Any]) -> None:
    world = World()
    world.settle()
    assert (uninstalled, world.notes.said, world.target.stays) == ([], [], [])


def test_a_release_that_no_state_has_is_uninstalled_with_its_hook(uninstalled: list[Any]) -> None:
    world = World(state=False)
    world.settle()
    assert uninstalled == [("database-prod", "database-admin", True)]
    assert world.notes.gone == [LABEL]


def test_a_hook_that_fails_ends_the_teardown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other failures before the engine are noted; then the cluster goes."""

    def uninstall(*_: Any, **__: Any) -> None:
        raise KitError("`helm uninstall database-prod` failed", "the Job failed")

    monkeypatch.setattr(existing_database, "uninstall", uninstall)
    with pytest.raises(UserError) as caught:
        World(state=False).settle()
    assert LABEL in caught.value.summary
    assert "the Job failed" in caught.value.detail


def test_without_its_instance_no_hook_runs(uninstalled: list[Any]) -> None:
    world = World()
    world.rds.code = "DBInstanceNotFound"
    world.settle()
    assert uninstalled == [("database-prod", "database-admin", False)]
    # Who may not look does not know.
    world.rds.code = "AccessDenied"
    world.settle()
    assert len(uninstalled) == 1


def test_what_is_to_outlive_it_is_told(uninstalled: list[Any]) -> None:
    world = World(keep=True)
    world.settle()
    assert uninstalled == []
    assert world.target.stays == [f"{LABEL}, with its users"]
    assert "as `protect` asks for" in world.notes.said[0]


def test_what_nothing_can_drop_any_more_is_told(uninstalled: list[Any]) -> None:
    world = World(cluster=False)
    world.settle()
    assert uninstalled == []
    assert world.target.stays == [f"{LABEL}, with its users"]
    assert "no cluster is left" in world.notes.said[0]


def test_the_cluster_stays_while_the_database_does() -> None:
    failed = KitError("the hook failed", "team-postgres does not answer")
    with pytest.raises(KitError) as caught:
        existing_database.require_dropped(World().target, failed)
    assert LABEL in caught.value.summary
    assert "team-postgres does not answer" in caught.value.detail
    assert "kubectl logs --namespace database-admin job/database-prod-drop" in caught.value.detail
    for other in (World(state=False), World(cluster=False)):
        existing_database.require_dropped(other.target, failed)


def test_another_environment_has_no_part_in_it(uninstalled: list[Any]) -> None:
    world = World(state=False)
    world.target.names = Names("prod")
    world.settle()
    assert (uninstalled, world.notes.said) == ([], [])
