"""How old secrets are, and who reads them; the record in the configuration."""

import json
from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import pytest

from cli.base.settings import qualified
from cli.base.values import Secret
from cli.operations.live import Live
from cli.operations.rotation import ages
from cli.stack import rotation
from cli.stack.backends import Found
from infra.contract import grafana, logs, metrics
from infra.contract.secret_contents import KEPT_IN, SECRET_NAMES
from infra.contract.settings import SETTINGS
from tests.charts.rendering import render
from tests.charts.test_monitoring import GRAFANA, rendered
from tests.unit.cli.fakes import FakeBackend
from tests.unit.cli.operations.rotation.conftest import Cluster

TODAY = date(2027, 3, 1)
FERNET, JWT, ADMIN, CELERY = "fernetKey", "jwtSecret", "adminPassword", "celeryPassword"


class State(FakeBackend):
    """With a Secret and an access key in its state."""

    def resources(self) -> list[Found]:
        secret, key = "kubernetes:core/v1:Secret", ages.ACCESS_KEY
        return [
            Found(secret, "airflow-jwt-1", "u", "airflow/airflow-jwt", "2027-02-01T10:00:00Z"),
            Found(
                secret, "airflow-fernet-1", "u", "airflow/airflow-fernet", "2026-02-01T10:00:00Z"
            ),
            Found(secret, "airflow-admin-1", "u", "airflow/airflow-admin"),
            Found(key, "dev-rancher", "u", "AKIA", "2026-12-01T10:00:00Z"),
        ]


@pytest.fixture
def live(live: Live, cluster: Cluster) -> Live:
    backend = State(
        there=2, values={qualified(key): Secret("x") for key in (FERNET, JWT, ADMIN, CELERY)}
    )
    rotation.note_made(backend, [FERNET], date(2027, 2, 27))
    # The names of Secrets that the program gives.
    cluster.workloads = json.loads(json.dumps(render().objects).replace('"my-', '"airflow-'))
    live.__dict__["backend"] = backend
    return live


def test_each_has_an_age_and_readers(live: Live) -> None:
    found = {one.name: one for one in ages.of(live)}
    assert list(found) == [FERNET, JWT, ADMIN, CELERY, "dev-rancher"]
    assert [(one.days(TODAY), one.exact) for one in found.values()] == [
        (2, True),
        (28, False),
        (None, False),
        (None, False),
        (90, True),
    ]
    serving = {"api-server", "scheduler", "dag-processor", "triggerer"}
    assert serving | {"migration"} <= set(found[FERNET].users)
    assert set(found[ADMIN].users) == {"migration"}
    assert found[ADMIN].data(TODAY)["days"] is None
    assert [name for name, one in found.items() if not one.deployed] == [CELERY]


@pytest.mark.parametrize(
    ("days", "old"),
    [
        (90, [ADMIN]),
        (89, [ADMIN, "dev-rancher"]),
        (27, [JWT, ADMIN, "dev-rancher"]),
        (0, [FERNET, JWT, ADMIN, "dev-rancher"]),
    ],
)
def test_unknown_counts_as_old(live: Live, days: int, old: list[str]) -> None:
    assert ages.older(ages.of(live), days, TODAY) == old


def test_a_cluster_that_is_away_has_no_readers(live: Live, cluster: Cluster) -> None:
    cluster.workloads = []
    assert [one.users for one in ages.of(live)][:3] == [(), (), ()]


def test_those_of_monitoring_are_read_in_its_own_namespace(live: Live) -> None:
    deployed = [
        Found("kubernetes:core/v1:Secret", "x", "u", f"{metrics.NAMESPACE}/{name}", "2027-02-27")
        for name in (metrics.SECRET, grafana.SECRET)
    ]
    values = {
        qualified(key): Secret("x") for key in ("metricsReaderPassword", "grafanaAdminPassword")
    }
    backend = State(there=2, values=values)
    backend.resources = lambda: deployed  # type: ignore[method-assign]
    monitoring = Cluster("")
    monitoring.workloads = rendered(GRAFANA).objects
    clusters = {metrics.NAMESPACE: monitoring}
    live.__dict__["backend"] = backend
    live.__dict__["cloud"] = SimpleNamespace(kubernetes=lambda name, _: clusters[name])
    reader, login = ages.of(live)
    assert (reader.days(TODAY), reader.deployed) == (2, True)
    assert set(reader.users) == {"influxdb", "telegraf", "grafana"}
    assert (login.name, login.users) == ("grafanaAdminPassword", ("grafana",))


def test_every_secret_that_a_pod_reads_has_a_place() -> None:
    kept = {key for key, setting in SETTINGS.items() if setting.secret}
    assert kept - KEPT_IN.keys() == {"checksumKey"}
    known = {
        *SECRET_NAMES.values(),
        metrics.SECRET,
        metrics.MONITOR_SECRET,
        grafana.SECRET,
        grafana.CONTACTS_SECRET,
        logs.SECRET,
    }
    assert {name for names in KEPT_IN.values() for name in names} <= known


class TestRetired:
    """Keys of before, for backups."""

    def test_they_are_kept_as_long_as_backups_are(self) -> None:
        backend = FakeBackend()
        rotation.retire(backend, "first", date(2027, 1, 1), 14)
        rotation.retire(backend, "second", date(2027, 1, 10), 14)
        assert rotation.retired(backend) == ["second", "first"]
        assert isinstance(backend.values[rotation.RETIRED], Secret)
        rotation.retire(backend, "third", date(2027, 1, 20), 14)
        assert rotation.retired(backend) == ["third", "second"]

    def test_the_same_key_is_kept_once(self) -> None:
        """The step was killed, and is done again."""
        backend = FakeBackend()
        for _ in range(2):
            rotation.retire(backend, "first", date(2027, 1, 1), 14)
        assert rotation.retired(backend) == ["first"]

    def test_without_backups_none_is_kept(self) -> None:
        backend = FakeBackend()
        rotation.retire(backend, "first", date(2027, 1, 1), 14)
        rotation.retire(backend, "second", date(2027, 2, 1), 0)
        assert rotation.retired(backend) == []
        assert rotation.RETIRED not in backend.values


@pytest.mark.parametrize("which", [rotation.FERNET, rotation.TOKENS])
def test_a_rotation_is_remembered_as_a_secret(which: str) -> None:
    backend = FakeBackend()
    begun = rotation.Rotation.begin("old", "new")
    assert rotation.under_way(backend, which) is None
    rotation.remember(backend, which, begun)
    assert isinstance(backend.values[rotation.record(which)], Secret)
    assert rotation.under_way(backend, which) == begun
    assert rotation.unfinished(backend) == [which]
    assert "new" not in repr(replace(begun, began="x"))
    rotation.forget(backend, which)
    rotation.forget(backend, which)
    assert rotation.under_way(backend, which) is None
