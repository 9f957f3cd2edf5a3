"""Drift of a stack's objects in its cluster: found and repaired.

Pulumi compares the program with its state, and the state of a Helm release says nothing of the
objects in it. So these are looked at: each that the release's manifest names must be there.
A missing one is made again from that manifest. A release that is gone altogether, or an object
of the program's own, is Pulumi's to make: a refresh tells it.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from cli.cloud.kubernetes import Kubernetes, Object, reference
from cli.stack import helm_releases
from cli.stack.backends import Found
from cli.stack.pending import RELEASE

_KUBERNETES = "kubernetes:"
_HELM = "helm"
"""As whom a release's fields are applied: so Helm goes on with what was repaired."""

_MISSING, _CHANGED = "missing", "changed"
_AT_ONCE = 8
"""Requests in flight: a release has dozens of objects, and EKS may be far away."""


@dataclass
class Drift:
    """The objects that are not as they were deployed."""

    missing: list[Object] = field(default_factory=list)
    """Objects of a release's manifest."""

    gone: list[str] = field(default_factory=list)
    """Releases, and objects of the program itself, that only Pulumi can make again."""

    changed: list[Object] = field(default_factory=list)
    """Objects of a manifest in which somebody has edited what it says."""

    @property
    def labels(self) -> list[str]:
        """Each as `Deployment airflow-scheduler`."""
        return [*self.gone, *map(_label, [*self.missing, *self.changed])]


def look(kubernetes: Kubernetes, resources: Sequence[Found]) -> Drift:
    """Compares the cluster with what the stack has deployed into it, field by field."""
    drift = Drift()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for resource in resources:
            if resource.type == RELEASE:
                namespace, _, name = resource.id.rpartition("/")
                manifest = _manifest(kubernetes, name, namespace)
                if not manifest:
                    drift.gone.append(f"Helm release {name}")
                states = list(pool.map(partial(_state, kubernetes), manifest))
                drift.missing += _in_state(_MISSING, manifest, states)
                drift.changed += _in_state(_CHANGED, manifest, states)
        own = list(_own(resources))
        states = list(pool.map(partial(_presence, kubernetes), own))
        drift.gone += map(_label, _in_state(_MISSING, own, states))
    return drift


def repair(kubernetes: Kubernetes, drift: Drift) -> None:
    """Makes again what is missing, and takes back what was edited, as the manifest has it."""
    for item in [*drift.missing, *drift.changed]:
        kubernetes.apply(item, _HELM)


def _in_state(state: str, items: Sequence[Object], states: Sequence[str]) -> list[Object]:
    return [item for item, found in zip(items, states, strict=True) if found == state]


def _manifest(kubernetes: Kubernetes, name: str, namespace: str) -> list[Object]:
    """The objects of a release's last revision, as Helm has stored them; [] if there is no release."""
    import yaml

    revision = helm_releases.last_revision(kubernetes, name, namespace)
    if revision is None:
        return []
    manifest = helm_releases.unpacked(revision)["manifest"]
    documents = [document for document in yaml.load_all(manifest, yaml.CSafeLoader) if document]
    for document in documents:
        marks = {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace}
        document["metadata"].setdefault("annotations", {}).update(marks)
        document["metadata"].setdefault("namespace", namespace)
    return documents


def _state(kubernetes: Kubernetes, item: Object) -> str:
    """How an object of a manifest is: also whether applying it as it was deployed would change it."""
    found = kubernetes.find_same(item)
    if found is None:
        return _MISSING
    if _fields(kubernetes.apply(item, _HELM, dry_run=True)) != _fields(found):
        return _CHANGED
    return ""


def _presence(kubernetes: Kubernetes, item: Object) -> str:
    return _MISSING if kubernetes.find_same(item) is None else ""


def _fields(item: Object) -> Object:
    """Without what the server notes of each change."""
    notes = ("managedFields", "generation", "resourceVersion")
    metadata = {key: value for key, value in item["metadata"].items() if key not in notes}
    return {**item, "metadata": metadata}


def _own(resources: Sequence[Found]) -> Iterator[Object]:
    """Objects of the program itself."""
    for resource in resources:
        if resource.type.startswith(_KUBERNETES) and resource.type != RELEASE:
            namespace, _, name = resource.id.rpartition("/")
            api, kind = resource.type.removeprefix(_KUBERNETES).split(":")
            # `core/v1` is `v1` to everybody but Pulumi.
            # A patch is known by what it patches.
            yield reference(api.removeprefix("core/"), kind.removesuffix("Patch"), name, namespace)


def _label(item: Object) -> str:
    return f"{item['kind']} {item['metadata']['name']}"
