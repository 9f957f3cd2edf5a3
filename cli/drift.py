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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.backends import Found
from cli.kubernetes import Kubectl
from cli.stack.pending import RELEASE

_KUBERNETES = "kubernetes:"

Document = Mapping[str, Any]
Key = tuple[str, str]
"""Kind and name: what is compared is in one namespace, or in none."""


@dataclass
class Drift:
    """What is not as it was deployed."""

    missing: list[Document] = field(default_factory=list)
    """Objects of a release's manifest."""

    gone: list[str] = field(default_factory=list)
    """Releases, and objects of the program itself, that only Pulumi can make again."""

    changed: list[Document] = field(default_factory=list)
    """Objects of a manifest that somebody has edited; only looked for on request."""

    @property
    def labels(self) -> list[str]:
        """Each as `Deployment airflow-scheduler`."""
        return [*self.gone, *(_label(each) for each in [*self.missing, *self.changed])]


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
    documents = [*drift.missing, *drift.changed]
    if not documents:
        return
    with _file(documents) as path:
        kubectl.run(
            *("apply", "--server-side", "--force-conflicts", "--field-manager=helm"),
            f"--filename={path}",
        )


def _look_at_release(kubectl: Kubectl, release: Found, drift: Drift, *, thorough: bool) -> None:
    namespace, _, name = release.id.rpartition("/")
    documents = _manifest(kubectl, name, namespace)
    if not documents:
        drift.gone.append(f"Helm release {name}")
        return
    with _file(documents) as path:
        found = kubectl.run("get", f"--filename={path}", "--ignore-not-found", "--output=json")
        there = {_key(item) for item in _items(found)}
        drift.missing += [each for each in documents if _key(each) not in there]
        if thorough and not drift.missing:
            edited = _edited(kubectl, path)
            drift.changed += [each for each in documents if _key(each) in edited]


def _edited(kubectl: Kubectl, path: Path) -> set[Key]:
    """Kind and name of the objects whose fields differ from those in the file."""
    code, out, _ = kubectl.answer(
        *("diff", "--server-side", "--force-conflicts", "--field-manager=helm"),
        f"--filename={path}",
    )
    found = set()
    for line in out.splitlines() if code == 1 else ():
        if line.startswith("diff "):
            # .../LIVE-123/apps.v1.Deployment.NAMESPACE.NAME, and NAME may have dots.
            parts = line.split()[-1].rpartition("/")[2].split(".")
            kind = next(i for i, part in enumerate(parts) if part[:1].isupper())
            found.add((parts[kind], ".".join(parts[kind + 2 :])))
    return found


def _manifest(kubectl: Kubectl, name: str, namespace: str) -> list[Document]:
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
    return documents


def _gone(kubectl: Kubectl, resources: Sequence[Found]) -> Iterator[str]:
    """Objects of the program itself that are not there."""
    by_namespace: dict[str, list[Document]] = {}
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
            by_namespace.setdefault(namespace, []).append(document)
    for namespace, documents in by_namespace.items():
        with _file(documents) as path:
            found = kubectl.run(
                *("get", f"--filename={path}", "--ignore-not-found", "--output=json"),
                namespace=namespace or None,
            )
        there = {_key(item) for item in _items(found)}
        yield from (_label(each) for each in documents if _key(each) not in there)


def _items(text: str) -> list[Any]:
    if not text.strip():
        return []
    found = json.loads(text)
    return list(found["items"]) if found.get("kind") == "List" else [found]


def _key(document: Document) -> Key:
    return str(document["kind"]), str(document["metadata"]["name"])


def _label(document: Document) -> str:
    return f"{document['kind']} {document['metadata']['name']}"


@contextmanager
def _file(documents: Sequence[Document]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="aerodrome-manifest-") as folder:
        path = Path(folder) / "objects.json"
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)}))
        path.chmod(0o600)
        yield path
