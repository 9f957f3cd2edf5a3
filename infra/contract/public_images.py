"""What an environment has from public registries, in one list; and where each is in a mirror of them.

The base of the kit's own images is what their Containerfiles say, and Grafana and Karpenter are what `grafana.py` and
`versions.py` say: nothing here is written twice. What EKS itself puts on nodes comes from AWS's registries of the
region, and all else from the environment's own ECR.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from infra.contract import grafana
from infra.contract.metrics import MonitoringScope
from infra.contract.tenancy import Tenancy
from infra.contract.versions import KARPENTER_VERSION

SETTING: Final = "imageMirror"
BASE_ARGUMENT: Final = "BASE_IMAGE"
"""The build argument that names what an image is built on."""

BUILD: Final = "the build of images"
NODES: Final = "nodes"
HELM: Final = "Helm, where up runs"

DOCKER_HUB: Final = "docker.io"
ECR_PUBLIC: Final = "public.ecr.aws"

_IMAGES: Final = Path(__file__).resolve().parents[2] / "images"
_BASE: Final = re.compile(rf"^ARG {BASE_ARGUMENT}=(\S+)$", re.MULTILINE)

_HOST: Final = r"([A-Za-z0-9-]+\.)+[A-Za-z0-9-]+(:[0-9]{1,5})?|[A-Za-z0-9-]+:[0-9]{1,5}"
_PART: Final = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
_MIRROR: Final = re.compile(rf"({_HOST})(/{_PART})*")
_ECR: Final = re.compile(r"(\d{12})\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")

Value = Callable[[str], Any]
"""The value of a setting, by its key."""


@dataclass(frozen=True)
class PublicImage:
    """An image, or a chart, of a public registry."""

    name: str
    registry: str
    repository: str
    tag: str
    purpose: str
    pulled_by: str
    """BUILD, NODES or HELM."""
    needed_with: str
    """The settings, in words."""
    digest: str = ""
    """By which it is pulled; empty where that is the tag: of a base, whose updates are wanted, and of what a chart pins."""

    def place(self, mirror: str) -> str:
        """Its repository; in a mirror below the registry's own name, so that no two meet, and a pull-through cache may stand for each."""
        own = f"{self.registry}/{self.repository}"
        return f"{mirror}/{own}" if mirror else own

    def reference(self, mirror: str = "") -> str:
        """How it is pulled: as exactly as it is pinned."""
        place = self.place(mirror)
        return f"{place}@{self.digest}" if self.digest else f"{place}:{self.tag}"


@dataclass(frozen=True)
class EcrRegistry:
    """A private registry of AWS."""

    host: str
    account: str
    region: str


def check(value: str) -> str | None:
    """A registry, and where in it. What may be a password is not repeated."""
    if not value or _MIRROR.fullmatch(value):
        return None
    if "://" in value:
        return "must be without a scheme, such as registry.example.com/mirror"
    if "@" in value:
        return "must be without a user: the machine that builds logs in by itself, and nodes must need no login"
    return "must be HOST/PREFIX in lower case, such as registry.example.com/mirror or 123456789012.dkr.ecr.eu-north-1.amazonaws.com/mirror"


def ecr(mirror: str) -> EcrRegistry | None:
    """The mirror's registry, if that is AWS's."""
    host = mirror.partition("/")[0]
    found = _ECR.fullmatch(host)
    return EcrRegistry(host, found[1], found[2]) if found else None


def bases() -> Mapping[str, PublicImage]:
    """By image of the kit's what it is built on."""
    return {folder.name: _base(folder.name) for folder in sorted(_IMAGES.iterdir()) if _has(folder)}


def base_argument(image: str, mirror: str) -> str:
    """What the build of an image is told; empty where its file's own default counts."""
    return _base(image).reference(mirror) if mirror else ""


def grafana_image(mirror: str) -> dict[str, str]:
    """The chart's value."""
    return {**grafana.IMAGE, "repository": GRAFANA.place(mirror)} if mirror else dict(grafana.IMAGE)


def everything() -> list[PublicImage]:
    """All that there may be, each once."""
    return [*dict.fromkeys(bases().values()), GRAFANA, KARPENTER, *KARPENTER_CHARTS]


def needed(value: Value) -> list[PublicImage]:
    """What an environment with these settings has from public registries."""
    return list(_needed(value))


def _needed(value: Value) -> Iterator[PublicImage]:
    yield from dict.fromkeys(bases().values())
    if value("tenancy") == Tenancy.shared:
        return
    if MonitoringScope(value("monitoring")).with_metrics and value("grafana"):
        yield GRAFANA
    if value("taskNodes"):
        yield from (KARPENTER, *KARPENTER_CHARTS)


def misfit(value: Value) -> str:
    """Why a mirror does not go with the other settings, in words; empty if it does."""
    if not value(SETTING) or value("tenancy") == Tenancy.shared or not value("rancherEnabled"):
        return ""
    return (
        "the Rancher server and its agents have dozens of images of their own, which are not in the mirror's list: "
        "./aerodrome config set rancherEnabled false (a Rancher of your own can import the cluster: docs/rancher.md)"
    )


def _has(folder: Path) -> bool:
    return (folder / "Containerfile").is_file()


@cache
def _base(image: str) -> PublicImage:
    text = (_IMAGES / image / "Containerfile").read_text(encoding="utf-8")
    (reference,) = _BASE.findall(text)
    path, _, tag = reference.rpartition(":")
    registry, _, repository = path.partition("/")
    return PublicImage(
        repository.rpartition("/")[2],
        registry,
        repository,
        tag,
        "what the kit's own images are built on",
        BUILD,
        "any",
    )


GRAFANA: Final = PublicImage(
    "grafana",
    DOCKER_HUB,
    **grafana.IMAGE,
    purpose="dashboards and alerts",
    pulled_by=NODES,
    needed_with="monitoring metrics or all, and grafana",
)

KARPENTER: Final = PublicImage(
    "karpenter",
    ECR_PUBLIC,
    "karpenter/controller",
    KARPENTER_VERSION,
    "makes nodes for tasks; its chart has the digest",
    NODES,
    "taskNodes",
)

KARPENTER_CHARTS: Final = tuple(
    PublicImage(
        f"{chart} (chart)",
        ECR_PUBLIC,
        f"karpenter/{chart}",
        KARPENTER_VERSION,
        purpose,
        HELM,
        "taskNodes",
    )
    for chart, purpose in (
        ("karpenter", "how Karpenter is deployed"),
        ("karpenter-crd", "Karpenter's kinds of objects"),
    )
)
