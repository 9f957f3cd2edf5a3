"""Operators' resources go while their operators live; those of one that is dead are told and passed.

A real API server, without controllers of its own: each test plays those that it wants.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from cli.base.errors import KitError
from cli.operations.teardown.operation import TornDown
from tests.teardown import kit
from tests.teardown.conftest import Cloud
from tests.teardown.test_in_the_cluster import (
    AIRFLOW,
    _deleted,
    _down,
    _end,
    _shared,
    cluster,
    session,
)

__all__ = ["cluster", "session"]

GROUP = "databases.example.org"
FINALIZER = f"{GROUP}/cleanup"
KINDS = {"stores": "Store", "accounts": "Account", "replicas": "Replica"}


@pytest.fixture
def operator(cluster: kit.Cluster) -> Iterator[kit.Cluster]:
    """A cluster in which an operator's kinds are known; nothing of them is left behind."""
    definitions = [_definition(plural, kind) for plural, kind in KINDS.items()]
    cluster.define(*definitions)
    yield cluster
    for plural in KINDS:
        _clear(cluster, plural)
    for each in definitions:
        cluster.kubernetes.delete(each, seconds=30.0)


def _definition(plural: str, kind: str) -> dict[str, Any]:
    found = kit.definition(plural, kind, GROUP, "Namespaced")
    found["metadata"]["labels"] = {"of": GROUP}
    return found


def _make(
    cluster: kit.Cluster, plural: str, name: str, namespace: str = AIRFLOW, **metadata: Any
) -> str:
    """The unique id of a new resource."""
    kit.Cluster(replace(cluster.kubernetes, namespace=namespace)).apply(
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": KINDS[plural],
            "metadata": {"name": name, "namespace": namespace} | metadata,
        }
    )
    made = cluster.kubernetes.find(f"{plural}.{GROUP}", name, namespace=namespace)
    assert made is not None
    return str(made["metadata"]["uid"])


def _clear(cluster: kit.Cluster, plural: str) -> None:
    for item in cluster.kubernetes.objects(f"{plural}.{GROUP}", everywhere=True):
        cluster.kubernetes.patch(item, {"metadata": {"finalizers": []}})
        cluster.kubernetes.delete(item)


def _living(
    seen: list[str], needs: str = "", slow: float = 0.0
) -> Callable[[kit.Controllers], None]:
    """An operator: it cleans up behind an account, for which it needs the store `needs`."""

    def act(controllers: kit.Controllers) -> None:
        kubernetes = controllers.kubernetes
        for item in kubernetes.objects(f"accounts.{GROUP}", everywhere=True):
            if not item["metadata"].get("deletionTimestamp"):
                continue
            stores = controllers.cluster.names(f"stores.{GROUP}", item["metadata"]["namespace"])
            if needs and needs not in stores:
                continue
            time.sleep(slow)
            seen.append(str(item["metadata"]["name"]))
            controllers.free(item)

    return act


def _notes(done: TornDown) -> list[str]:
    return next(one.notes for one in done.steps if one.name == "custom resources")


def test_those_of_a_living_operator_go_before_what_they_need(
    cloud: Cloud, operator: kit.Cluster, session: kit.Sandboxed
) -> None:
    _make(operator, "stores", "vault")
    _make(operator, "accounts", "main", finalizers=[FINALIZER])
    seen: list[str] = []
    with kit.Controllers(operator, [_living(seen, needs="vault", slow=1.0)]):
        done = _down(session, cloud.ours)
    assert seen == ["main"]
    assert _notes(done) == []
    steps = [step.name for step in done.steps]
    # Their pods use claims, and live on nodes.
    assert steps.index("custom resources") < steps.index("volumes") < steps.index("node pools")
    assert _deleted(done, "custom resources") == [
        f"account {AIRFLOW}/main",
        f"store {AIRFLOW}/vault",
    ]


def test_what_belongs_to_another_goes_with_it_and_is_not_deleted_alone(
    cloud: Cloud, operator: kit.Cluster, session: kit.Sandboxed
) -> None:
    owner = _make(operator, "stores", "vault")
    reference = {"apiVersion": f"{GROUP}/v1", "kind": "Store", "name": "vault", "uid": owner}
    _make(operator, "replicas", "vault-0", ownerReferences=[reference])
    network = reference | {"kind": "NetworkPolicy", "name": "fence", "uid": "of-another-kind"}
    _make(operator, "replicas", "of-a-policy", ownerReferences=[network])

    def collect(controllers: kit.Controllers) -> None:
        if not operator.names(f"stores.{GROUP}"):
            controllers.cluster.delete(f"{GROUP}/v1", "Replica", "vault-0")

    with kit.Controllers(operator, [collect]):
        done = _down(session, cloud.ours)
    assert sorted(_deleted(done, "custom resources")) == [
        f"replica {AIRFLOW}/vault-0",
        f"store {AIRFLOW}/vault",
    ]
    assert operator.names(f"replicas.{GROUP}") == ["of-a-policy"]


def test_those_of_a_dead_operator_are_told_and_passed_at_the_bound(
    cloud: Cloud, operator: kit.Cluster, session: kit.Sandboxed
) -> None:
    _make(operator, "accounts", "main", finalizers=[FINALIZER])
    _make(operator, "stores", "vault")
    begun = time.monotonic()
    done = _down(session, cloud.ours)
    assert session.limits.cluster <= time.monotonic() - begun < session.limits.cluster + 20
    assert _notes(done) == [
        f"no controller removed its finalizer from these: account {AIRFLOW}/main"
    ]
    # The time is over, but what needs none goes all the same.
    assert operator.names(f"stores.{GROUP}") == []


def test_another_namespaces_stay_and_a_namespace_that_they_hold_is_named(
    cloud: Cloud, operator: kit.Cluster, session: kit.Sandboxed
) -> None:
    for name in (cloud.ours, cloud.theirs):
        _shared(session, operator, cloud, name)
        _make(operator, "stores", "vault", f"airflow-{name}")
    _make(operator, "stores", "of-the-base")
    with kit.Controllers(operator, [kit.namespaces]):
        done = _down(session, cloud.ours)
    assert _deleted(done, "custom resources") == [f"store airflow-{cloud.ours}/vault"]
    assert operator.names(f"stores.{GROUP}", f"airflow-{cloud.theirs}") == ["vault"]
    assert operator.names(f"stores.{GROUP}", AIRFLOW) == ["of-the-base"]
    _clear(operator, "stores")
    _end(operator, cloud.theirs)


def test_a_kind_that_cannot_be_listed_hides_no_other(
    cloud: Cloud, operator: kit.Cluster, session: kit.Sandboxed
) -> None:
    """The webhook that converts one operator's kind is gone, as after its release was deleted."""
    _make(operator, "stores", "vault")
    _make(operator, "accounts", "main")
    definition = _definition("accounts", "Account")
    old = definition["spec"]["versions"][0]
    definition["spec"]["versions"] = [old | {"storage": False}, old | {"name": "v2"}]
    webhook = {
        "clientConfig": {"url": "https://127.0.0.1:9/convert"},
        "conversionReviewVersions": ["v1"],
    }
    _convert(operator, definition, {"strategy": "Webhook", "webhook": webhook}, answers=False)
    try:
        done = _down(session, cloud.ours)
    finally:
        _convert(operator, definition, {"strategy": "None"}, answers=True)
    assert _deleted(done, "custom resources") == [f"store {AIRFLOW}/vault"]
    (note,) = _notes(done)
    assert note.startswith(f"accounts.{GROUP} cannot be listed: ")
    assert "conversion webhook" in note


def _convert(
    cluster: kit.Cluster, definition: dict[str, Any], how: dict[str, Any], *, answers: bool
) -> None:
    """Until the API server does as the definition says."""
    cluster.apply(definition | {"spec": definition["spec"] | {"conversion": how}})
    give_up = time.monotonic() + 20
    while _answers(cluster) is not answers:
        assert time.monotonic() < give_up
        time.sleep(0.2)


def _answers(cluster: kit.Cluster) -> bool:
    # A client of its own: one that knows the kinds already would go on with the old version.
    fresh = kit.Cluster(replace(cluster.kubernetes))
    try:
        fresh.names(f"accounts.{GROUP}")
    except KitError:
        return False
    return True
