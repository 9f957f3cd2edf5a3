"""What was deleted or changed behind the stack's back in its cluster: found and made good.

Pulumi compares the program with its state, and the state of a Helm release says nothing of the
objects in it. So these are looked at: each that the release's manifest names must be there.
A missing one is made again from that manifest. A release that is gone altogether, or an object
of the program's own, is Pulumi's to make: a refresh tells it.
"""

import base64
import gzip
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.cloud.kubernetes import Kubectl
from cli.stack.backends import Found
from cli.stack.pending import RELEASE

_KUBERNETES = "kubernetes:"

Document = Mapping[str, Any]
Key = tuple[str, str]
"""Kind and name: what is compared is in one namespace, or in none."""


@dataclass(frozen=True)
class Object:
    """One object of a manifest."""

    namespace: str
    """Where it belongs: its own, or its release's. What has no namespace is found with any."""

    document: Document

    @property
    def key(self) -> Key:
        return str(self.document["kind"]), str(self.document["metadata"]["name"])

    @property
    def label(self) -> str:
        return " ".join(self.key)


@dataclass
class Drift:
    """What is not as it was deployed."""

    missing: list[Object] = field(default_factory=list)
    """Objects of a release's manifest."""

    gone: list[str] = field(default_factory=list)
    """Releases, and objects of the program itself, that only Pulumi can make again."""

    changed: list[Object] = field(default_factory=list)
    """Objects of a manifest that somebody has edited; only looked for on request."""

    @property
    def labels(self) -> list[str]:
        """Each as `Deployment airflow-scheduler`."""
        return [*self.gone, *(each.label for each in [*self.missing, *self.changed])]


def look(kubectl: Kubectl, resources: Sequence[Found], *, thorough: bool = False) -> Drift:
    """Compares the cluster with what the stack has deployed into it.

    `thorough`: also the fields of each object, which takes some seconds more.
    """
    drift = Drift()
    for resource in resources:
        if resource.type == RELEASE:
            _look_at_release(kubectl, resource, drift, thorough=thorough)
    drift.gone += _gone(kubectl, resources)
    return drift


def repair(kubectl: Kubectl, drift: Drift) -> None:
    """Makes again what is missing, and takes back what was edited, as the manifest has it."""
    for namespace, objects in _by_namespace([*drift.missing, *drift.changed]).items():
        with _file(objects) as path:
            kubectl.run(
                *("apply", "--server-side", "--force-conflicts", "--field-manager=helm"),
                f"--filename={path}",
                namespace=namespace,
            )


def _look_at_release(kubectl: Kubectl, release: Found, drift: Drift, *, thorough: bool) -> None:
    namespace, _, name = release.id.rpartition("/")
    manifest = _manifest(kubectl, name, namespace)
    if not manifest:
        drift.gone.append(f"Helm release {name}")
    for where, objects in _by_namespace(manifest).items():
        with _file(objects) as path:
            there = _there(kubectl, path, where)
            missing = [each for each in objects if each.key not in there]
            drift.missing += missing
            if thorough and not missing:
                edited = _edited(kubectl, path, where)
                drift.changed += [each for each in objects if each.key in edited]


def _edited(kubectl: Kubectl, path: Path, namespace: str) -> set[Key]:
    """Kind and name of the objects whose fields differ from those in the file."""
    code, out, _ = kubectl.answer(
        *("diff", "--server-side", "--force-conflicts", "--field-manager=helm"),
        f"--filename={path}",
        namespace=namespace,
    )
    found = set()
    for line in out.splitlines() if code == 1 else ():
        if line.startswith("diff "):
            # .../LIVE-123/apps.v1.Deployment.NAMESPACE.NAME, and NAME may have dots.
            parts = line.split()[-1].rpartition("/")[2].split(".")
            kind = next(i for i, part in enumerate(parts) if part[:1].isupper())
            found.add((parts[kind], ".".join(parts[kind + 2 :])))
    return found


def _manifest(kubectl: Kubectl, name: str, namespace: str) -> list[Object]:
    """The objects of a release's last revision, as Helm has stored them; [] if there is no release."""
    import yaml

    listed = kubectl.run(
        *("get", "secrets", f"--selector=owner=helm,name={name}", "--output=json"),
        namespace=namespace,
    )
    revisions = sorted(_items(listed), key=lambda item: int(item["metadata"]["labels"]["version"]))
    if not revisions:
        return []
    stored = base64.b64decode(base64.b64decode(revisions[-1]["data"]["release"]))
    manifest = json.loads(gzip.decompress(stored))["manifest"]
    documents = [document for document in yaml.safe_load_all(manifest) if document]
    for document in documents:
        marks = {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace}
        document["metadata"].setdefault("annotations", {}).update(marks)
    return [
        Object(document["metadata"].get("namespace") or namespace, document)
        for document in documents
    ]


def _gone(kubectl: Kubectl, resources: Sequence[Found]) -> Iterator[str]:
    """Objects of the program itself that are not there."""
    objects = []
    for resource in resources:
        if resource.type.startswith(_KUBERNETES) and resource.type != RELEASE:
            namespace, _, name = resource.id.rpartition("/")
            api, kind = resource.type.removeprefix(_KUBERNETES).split(":")
            document = {
                # `core/v1` is `v1` to everybody but Pulumi.
                "apiVersion": api.removeprefix("core/"),
                "kind": kind,
                "metadata": {"name": name},
            }
            objects.append(Object(namespace, document))
    for namespace, group in _by_namespace(objects).items():
        with _file(group) as path:
            there = _there(kubectl, path, namespace)
        yield from (each.label for each in group if each.key not in there)


def _by_namespace(objects: Iterable[Object]) -> dict[str, list[Object]]:
    """For calls that are each about one namespace."""
    groups: dict[str, list[Object]] = {}
    for each in objects:
        groups.setdefault(each.namespace, []).append(each)
    return groups


def _there(kubectl: Kubectl, path: Path, namespace: str) -> set[Key]:
    """Which of a file's objects the cluster has."""
    found = kubectl.run(
        *("get", f"--filename={path}", "--ignore-not-found", "--output=json"),
        namespace=namespace or None,
    )
    return {Object(namespace, item).key for item in _items(found)}


def _items(text: str) -> list[Any]:
    if not text.strip():
        return []
    found = json.loads(text)
    return list(found["items"]) if found.get("kind") == "List" else [found]


@contextmanager
def _file(objects: Sequence[Object]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="aerodrome-manifest-") as folder:
        path = Path(folder) / "objects.json"
        items = [each.document for each in objects]
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        path.chmod(0o600)
        yield path
