"""What operators were asked for, while they live to take it away: custom resources before their pods.

An operator's finalizer keeps its resource until the operator has cleaned up behind it; without the
operator it keeps the resource, and with it the namespace, forever. Which kinds there are is asked
of the cluster. Those of Karpenter and Rancher have steps of their own.
"""

import time
from collections.abc import Iterable, Sequence

from cli.base.errors import KitError
from cli.cloud.kubernetes import Kubernetes, Object, Unreachable
from cli.operations.teardown.cluster import SYSTEM, objects
from cli.operations.teardown.report import Report
from cli.operations.teardown.target import Target
from cli.operations.teardown.waiting import until_none

DEFINITIONS = "customresourcedefinitions"
ELSEWHERE = ("karpenter.sh", "karpenter.k8s.aws", "cattle.io")
"""API groups, with those below them, whose resources another step deletes."""


def custom_resources(target: Target, report: Report) -> None:
    """Deletes those of the environment, and waits until their controllers have let them go.

    First those with a finalizer: something has to be cleaned up behind them, and often by means of
    the others, as of an account. What belongs to another object goes with that one.
    """
    kubernetes = target.kubernetes
    if kubernetes is None:
        report.note("there is no cluster")
        return
    search = _Search(kubernetes, report, target.spaces(kubernetes))
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
                _delete(kubernetes, item, report)

        def left(names: dict[str, str] = names) -> list[str]:
            return [names[uid] for item in search.all() if (uid := _uid(item)) in names]

        if not names:
            continue
        seconds = give_up - time.monotonic()
        stay = until_none(left, seconds, target.limits.pause, report.deleted, names.values())
        if stay:
            report.note(
                f"no controller removed its finalizer from these: {', '.join(sorted(stay))}"
            )


class _Search:
    """The custom resources in the environment's namespaces."""

    def __init__(self, kubernetes: Kubernetes, report: Report, spaces: list[str] | None) -> None:
        self._kubernetes = kubernetes
        self._report = report
        self._spaces = spaces
        self._kinds = [_kind(item) for item in kubernetes.objects(DEFINITIONS) if _is_ours(item)]

    def all(self) -> list[Object]:
        # A copy: one that cannot be listed is taken out meanwhile.
        found = [item for kind in tuple(self._kinds) for item in self._of(kind)]
        return [item for item in found if item["metadata"]["namespace"] not in SYSTEM]

    def _of(self, kind: str) -> list[Object]:
        try:
            return objects(self._kubernetes, kind, self._spaces)
        except Unreachable:
            raise
        except KitError as error:
            # Its definition is going, or the webhook that converts it is dead: it is not asked again.
            self._kinds.remove(kind)
            self._report.note(f"{kind} cannot be listed: {error.detail}")
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


def _delete(kubernetes: Kubernetes, item: Object, report: Report) -> None:
    try:
        kubernetes.delete(item)
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
