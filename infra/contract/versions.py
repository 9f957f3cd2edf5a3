"""The versions that were made for each other: Rancher's server, what it stands on, Karpenter, and the cluster.

One set, changed as one. A newer Kubernetes comes only with a Rancher whose makers have validated it, and that
one with the k3s and the cert-manager that it is tested on; each line here names where that is written.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Support:
    """The Kubernetes versions that the makers of a program stand up for, from the first to the last."""

    program: str
    line: str
    """Its minor version; what is written holds for all patches of it."""
    first: str
    last: str
    source: str

    def takes(self, kubernetes: str) -> bool:
        return minor(self.first) <= minor(kubernetes) <= minor(self.last)

    def __str__(self) -> str:
        return f"{self.program} {self.line} takes Kubernetes {self.first} to {self.last} ({self.source})"


@dataclass(frozen=True)
class VersionSet:
    """What a Rancher server is installed from."""

    rancher: str
    k3s: str
    cert_manager: str


PINNED: Final = VersionSet(rancher="2.15.1", k3s="v1.36.4+k3s1", cert_manager="v1.21.1")

K3S_SHA256: Final = {
    "v1.36.4+k3s1": "835873f37245fc615f547a2fe2af9402a347875f13fa64a1f136de644955ea3f",
}
"""Of the program for ARCHITECTURE, by release: its line of the release's sha256sum-amd64.txt, as quoted alike in public by
two others (read 2026-11-30). Another release needs its own."""

RANCHER: Final = Support(
    # Its EKS operator was validated with 1.36 in #54374, with 1.35 in #52971.
    "Rancher",
    "2.15",
    "1.34",
    "1.36",
    "rancher/rancher #55306 and #54374",
)

K3S: Final = Support(
    # The releases that Rancher's metadata of this line names; v1.36.4+k3s1 is the newest of them.
    "Rancher on k3s",
    "2.15",
    "1.34",
    "1.36",
    "rancher/rancher #56840",
)

CERT_MANAGER: Final = Support(
    "cert-manager", "1.21", "1.33", "1.36", "cert-manager.io/docs/releases, August 2026"
)


KARPENTER_VERSION: Final = "1.13.1"
"""Of Karpenter's two charts, which have the version of its image. In the sandbox the same one is built from its module."""

KARPENTER: Final = Support(
    "Karpenter",
    "1.13",
    "1.26",
    "1.36",
    "pkg/providers/version of aws/karpenter-provider-aws v1.13.1",
)


CLUSTERS: Final = Support(
    # Those that the kit's own clusters run: what it makes in a cluster is of no API that another of these lacks.
    "Aerodrome",
    "in another's cluster",
    "1.34",
    "1.36",
    "docs/existing-cluster.md",
)


def misfits(versions: VersionSet) -> list[str]:
    """What of a set does not fit the rest of it; empty for one that may be installed."""
    wrong = [
        f"{support.program} is {version}, and what is known is known of {support.line}"
        for support, version in (
            (RANCHER, versions.rancher),
            (CERT_MANAGER, versions.cert_manager),
        )
        if minor(version) != minor(support.line)
    ]
    wrong += [
        f"k3s is {versions.k3s}: {support}"
        for support in (K3S, CERT_MANAGER)
        if not support.takes(versions.k3s)
    ]
    if not wrong and versions.k3s not in K3S_SHA256:
        return [f"k3s is {versions.k3s}, and its checksum is not pinned"]
    return wrong


def unmanaged(kubernetes: str) -> str:
    """Why Rancher does not manage a cluster of this version; empty if it does."""
    return "" if RANCHER.takes(kubernetes) else str(RANCHER)


def managed() -> Iterable[str]:
    """The versions of clusters that it does manage, the oldest first."""
    (major, first), (_, last) = minor(RANCHER.first), minor(RANCHER.last)
    return [f"{major}.{number}" for number in range(first, last + 1)]


def minor(version: str) -> tuple[int, int]:
    """The minor version of any version, to compare it with others."""
    major, number = version.removeprefix("v").split(".")[:2]
    return int(major), int(number)
