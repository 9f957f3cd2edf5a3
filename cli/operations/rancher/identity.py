"""Which of Rancher's clusters is the environment's.

By the mark that a registration of the kit leaves: the id of the cluster's `kube-system`, which no two
clusters share, whatever they are called. Every machine's sandbox has the same name. What somebody else
registered has no mark, and is known by its name, as EKS or as Rancher has it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cli.cloud.kubernetes import Kubernetes
from infra.contract.naming import LABEL_ENVIRONMENT, PREFIX

MARK = f"{PREFIX}/cluster-uid"
"""The annotation of Rancher's cluster."""


@dataclass(frozen=True)
class Identity:
    """A cluster, as its environment knows it."""

    environment: str
    cluster: str
    region: str = ""
    uid: str = ""
    """Empty if the cluster is gone, or does not answer."""

    def marks(self) -> dict[str, Any]:
        """What is written on Rancher's record of it."""
        return {
            "annotations": {MARK: self.uid},
            "labels": {LABEL_ENVIRONMENT: self.environment},
        }

    def owns(self, item: Mapping[str, Any]) -> bool:
        """Whether a record of Rancher's is of this very cluster."""
        marked = (item.get("annotations") or {}).get(MARK)
        if marked and self.uid:
            return bool(marked == self.uid)
        eks = item.get("eksConfig") or {}
        named = eks.get("displayName") or item.get("name")
        region = eks.get("region")
        return bool(named == self.cluster and region in (None, "", self.region or region))


def uid_of(kubernetes: Kubernetes) -> str:
    """The id by which a cluster is told from every other."""
    space = kubernetes.find("namespace", "kube-system")
    return str(space["metadata"]["uid"]) if space else ""
