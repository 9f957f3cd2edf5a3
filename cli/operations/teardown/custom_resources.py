"""What operators were asked for, while they live to take it away: custom resources before their pods.

An operator's finalizer keeps its resource until the operator has cleaned up behind it; without the
operator it keeps the resource, and with it the namespace, for ever. Which kinds there are is asked
of the cluster. Those of Karpenter and Rancher have steps of their own.
"""

import time
from collections.abc import Iterable, Sequence

from cli.base.errors import KitError
from cli.cloud.kubernetes import Kubectl, Unreachable
from cli.cloud.resource import batches
from cli.operations.teardown.cluster import SYSTEM, Object
from cli.operations.teardown.report import Report
from cli.operations.teardown.target import Target
from cli.operations.teardown.waiting import until_none

DEFINITIONS = "customresourcedefinitions"
ELSEWHERE = ("karpenter.sh", "karpenter.k8s.aws", "cattle.io")
"""Groups, with those below them, that another step takes away."""

TOGETHER = 50
"""Kinds that one call asks for: an operator may bring a thousand."""


def custom_resources(target: Target, report: Report) -> None:
    """Deletes those of the environment, and waits until their controllers have let them go.

    First those with a finalizer: something has to be cleaned up behind them, and often by means of
    the others, as of an account. What belongs to another object goes with that one.
    """
    kubectl = target.kubectl
    if kubectl is None:
        report.note("there is no cluster")
        return
    search = _Search(kubectl, report, everywhere=not target.shared)
    give_up = time.monotonic() + target.limits.cluster
    seen: set[str] = set()
    for held in (True, False):
        found = search.all()
        doomed = [item for item in found if not _owners(item) and (not held or _is_held(item))]
        names = {
            uid: label for uid, label in _with_theirs(doomed, found).items() if uid not in seen
        }
        seen |= names.keys()
        for item in doomed:
            if _uid(item) in names:
                _delete(kubectl, item, report)

        def left(names: dict[str, str] = names) -> list[str]:
            return [names[uid] for item in search.all() if (uid := _uid(item)) in names]

        if not names:
            continue
        seconds = give_up - time.monotonic()
        stay = until_none(left, seconds, target.limits.pause, report.deleted, names.values())
        if stay:
            report.note(f"no controller let these go: {', '.join(sorted(stay))}")


class _Search:
    """The custom resources in the environment's namespaces."""

    def __init__(self, kubectl: Kubectl, report: Report, *, everywhere: bool) -> None:
        self._kubectl = kubectl
        self._report = report
        self._everywhere = everywhere
        self._kinds = [_kind(item) for item in kubectl.objects(DEFINITIONS) if _is_ours(item)]

    def all(self) -> list[Object]:
        # A copy: one that cannot be listed is taken out meanwhile.
        parts = batches(tuple(self._kinds), TOGETHER)
        found = [item for part in parts for item in self._of(part)]
        return [item for item in found if item["metadata"]["namespace"] not in SYSTEM]

    def _of(self, kinds: Sequence[str]) -> list[Object]:
        try:
            return self._kubectl.objects(",".join(kinds), everywhere=self._everywhere)
        except Unreachable:
            raise
        except KitError as error:
            if len(kinds) > 1:
                return [item for kind in kinds for item in self._of([kind])]
            # Its definition is going, or the webhook that converts it is dead: it is not asked again.
            self._kinds.remove(kinds[0])
            self._report.note(f"{kinds[0]} cannot be listed: {error.detail}")
            return []


def _is_ours(definition: Object) -> bool:
    spec = definition["spec"]
    group = f".{spec['group']}"
    known = any(group.endswith(f".{name}") for name in ELSEWHERE)
    return spec["scope"] == "Namespaced" and not known


def _kind(definition: Object) -> str:
    """`PLURAL.GROUP`, which is how a definition is called."""
    return str(definition["metadata"]["name"])


def _with_theirs(doomed: Iterable[Object], found: Sequence[Object]) -> dict[str, str]:
    """Labels of these and of all that goes with them, by unique id."""
    family = {_uid(item): _label(item) for item in doomed}
    while more := {
        _uid(item): _label(item)
        for item in found
        if _uid(item) not in family and not family.keys().isdisjoint(_owners(item))
    }:
        family |= more
    return family


def _delete(kubectl: Kubectl, item: Object, report: Report) -> None:
    group = str(item["apiVersion"]).partition("/")[0]
    metadata = item["metadata"]
    try:
        kubectl.delete(
            f"{item['kind']}.{group}",
            metadata["name"],
            namespace=metadata["namespace"],
            wait=False,
        )
    except Unreachable:
        raise
    except KitError as error:
        # As a webhook whose server is gone does.
        report.note(f"{_label(item)} cannot be deleted: {error.detail}")


def _is_held(item: Object) -> bool:
    return bool(item["metadata"].get("finalizers"))


def _owners(item: Object) -> set[str]:
    return {str(owner["uid"]) for owner in item["metadata"].get("ownerReferences", ())}


def _uid(item: Object) -> str:
    return str(item["metadata"]["uid"])


def _label(item: Object) -> str:
    metadata = item["metadata"]
    return f"{str(item['kind']).lower()} {metadata['namespace']}/{metadata['name']}"
