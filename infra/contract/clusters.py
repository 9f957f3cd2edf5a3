"""EKS clusters: the way into one; and of one that is there already the form of the setting that names it, and what does not
go with it."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from infra.contract import metrics
from infra.contract.naming import AIRFLOW, PREFIX, Names, is_environment

CLUSTER: Final = "clusterName"

_NAME: Final = r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}"

_NETWORK: Final = (
    "vpcId",
    "privateSubnetIds",
    "publicSubnetIds",
    "vpcCidr",
    "natPerZone",
    "vpcEndpoints",
)
_NODES: Final = (
    "kubernetesVersion",
    "nodeInstanceTypes",
    "nodeMin",
    "nodeDesired",
    "nodeMax",
    "nodeDiskGb",
    "spot",
    "logRetentionDays",
    "publicAccessCidrs",
    "endpointAccess",
)
_NOT_YET: Final = {
    "taskNodes": "Karpenter administers a cluster, and this version installs it in the environment's own only",
    "deployRole": "a pipeline's roles are for the environment's own cluster in this version",
    "previewRole": "a pipeline's roles are for the environment's own cluster in this version",
    "databaseInstance": "whether pods of a cluster that is there reach an instance that is there is not looked at in this version",
    "flowLogs": "its network is not the environment's, and all that others do in it would be recorded",
}

NEEDS: Final = (CLUSTER, "rancherEnabled", "monitoring", *_NETWORK, *_NODES, *_NOT_YET)
"""The settings that `misfits` looks at."""


NAMESPACES: Final = (AIRFLOW, metrics.NAMESPACE)
"""Of an environment in it, the second with monitoring. Their names are not the environment's, so that there can be one."""


STORAGE_CLASS: Final = "gp3"
"""Of the disks in a cluster of the environment's own."""


def storage_class(environment: str) -> str:
    """The name of an environment's class of disks in another's cluster: none that anybody else has."""
    return Names(environment).of(STORAGE_CLASS)


def namespaces(*, monitored: bool) -> tuple[str, ...]:
    """Those that it has now."""
    return NAMESPACES if monitored else NAMESPACES[:1]


def check_name(name: str) -> str | None:
    """A cluster as EKS names them, and none of those that the kit itself names: they go with their environments."""
    if not name:
        return None
    if not re.fullmatch(_NAME, name):
        return "must be the name of an EKS cluster: up to 100 letters, digits, - and _"
    own = name.removeprefix(f"{PREFIX}-")
    if own != name and is_environment(own):
        return (
            f'is the name of a cluster that an environment called "{own}" makes, and takes away with itself: an environment '
            "shares that one by tenancy shared"
        )
    return None


def misfits(settings: Mapping[str, Any], given: Collection[str]) -> list[tuple[str, str]]:
    """What does not go with such a cluster: the setting, and the words. `given`: those that are set."""
    if not settings[CLUSTER]:
        return []
    found = [
        (key, f"it describes a network, and {CLUSTER} names a cluster that has one")
        for key in _NETWORK
        if key in given and settings[key]
    ]
    found += [
        (key, f"it describes a cluster that the environment makes, and {CLUSTER} names one")
        for key in _NODES
        if key in given
    ]
    found += [
        (key, f"{words}, and {CLUSTER} names another's")
        for key, words in _NOT_YET.items()
        if settings[key]
    ]
    if settings["rancherEnabled"]:
        found.append(
            (
                "rancherEnabled",
                f"{CLUSTER} names a cluster whose owner decides what administers it: set it to false",
            )
        )
    if metrics.MonitoringScope(settings["monitoring"]).with_logs:
        found.append(
            (
                "monitoring",
                f"the shipper of logs reads a folder of every node, and those of {CLUSTER} run other people's pods, too: "
                "metrics or none",
            )
        )
    return found


def kubeconfig(name: str, region: str, endpoint: str, authority: str) -> str:
    """The way into an EKS cluster for whoever EKS lets in, of the same shape as pulumi-eks makes it: it holds no key.

    `authority` is the certificate authority in base64, as EKS tells it. Where the text is in a state, another one would
    replace the provider, and with it all that is in the cluster.
    """
    version = "client.authentication.k8s.io/v1beta1"
    words = ["--region", region, "eks", "get-token", "--cluster-name", name]
    info = {"name": "KUBERNETES_EXEC_INFO", "value": json.dumps({"apiVersion": version})}
    login = {
        "apiVersion": version,
        "command": "aws",
        "args": [*words, "--output", "json"],
        "env": [info],
    }
    server = {"server": endpoint, "certificate-authority-data": authority}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "kubernetes", "cluster": server}],
            "contexts": [{"name": "aws", "context": {"cluster": "kubernetes", "user": "aws"}}],
            "current-context": "aws",
            "users": [{"name": "aws", "user": {"exec": login}}],
        }
    )
