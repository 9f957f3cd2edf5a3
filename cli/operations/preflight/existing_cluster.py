"""An EKS cluster that is there already: whether an environment can stand in it, before anything is made in it.

AWS is asked once, and the cluster itself once; what they say is judged without them. Nothing here changes anything, and
nothing is put right: the cluster is somebody else's, who is told what it lacks.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cli.base.settings import qualified
from cli.cloud.errors import translated, unless_gone
from cli.cloud.kubernetes import Kubernetes, Object, Refused, Unreachable
from cli.cloud.kubernetes.errors import FORBIDDEN, UNAUTHORIZED
from cli.cloud.ownership import is_aerodrome
from cli.cloud.resource import Client, everything
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.preflight.refusal import Refusal
from infra.contract import clusters, versions
from infra.contract.clusters import CLUSTER
from infra.contract.metrics import MonitoringScope
from infra.contract.naming import LABEL_ENVIRONMENT
from infra.contract.tenancy import Tenancy

CNI: Final = "vpc-cni"
ADDONS: Final = {
    "eks-pod-identity-agent": (
        "eks-pod-identity-agent",
        "pods get the credentials of their roles from it",
    ),
    "aws-ebs-csi-driver": (
        "ebs-csi-node",
        "the database, and whatever else has a disk, gets it from it",
    ),
}
"""By the name of the add-on: what it runs on every node, and what for."""

CNI_NODES: Final = "aws-node"
POLICIES_ON: Final = "--enable-network-policy=true"

ALL: Final = ("*", "*", "*", "")
RIGHTS: Final = (
    ("create", "", "namespaces", ""),
    ("create", "storage.k8s.io", "storageclasses", ""),
    *(
        (verb, group, kind, clusters.NAMESPACES[0])
        for verb, group, kind in (
            ("create", "", "secrets"),
            ("create", "", "serviceaccounts"),
            ("create", "apps", "deployments"),
            ("create", "batch", "jobs"),
            ("create", "networking.k8s.io", "networkpolicies"),
            ("escalate", "rbac.authorization.k8s.io", "roles"),
            ("create", "rbac.authorization.k8s.io", "rolebindings"),
        )
    ),
)
"""What the caller must be allowed: verb, API group, kind and namespace."""

MONITORING_RIGHTS: Final = (
    ("escalate", "rbac.authorization.k8s.io", "clusterroles", ""),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings", ""),
)


@dataclass(frozen=True)
class ClusterRequest:
    """What is asked for."""

    environment: str
    cluster: str
    region: str
    monitored: bool

    @property
    def spaces(self) -> tuple[str, ...]:
        return clusters.namespaces(monitored=self.monitored)

    @property
    def rights(self) -> tuple[tuple[str, str, str, str], ...]:
        return RIGHTS + (MONITORING_RIGHTS if self.monitored else ())


@dataclass(frozen=True)
class ClusterFound:
    """What AWS says of it, in its own words."""

    caller: str
    cluster: Mapping[str, Any] | None
    addons: Mapping[str, str]
    """The configuration of each, by name; empty where it has none."""


@dataclass(frozen=True)
class InsideFound:
    """What Kubernetes says."""

    nodes: Sequence[Object]
    spaces: Mapping[str, Object]
    """Those of the names that the environment needs, which are there."""
    daemons: Mapping[str, Object]
    """What runs on every node, of kube-system."""
    refused: Sequence[tuple[str, str, str, str]]
    """What the caller may not do."""
    grows: bool
    """Whether something makes nodes when pods wait."""


def request(environment: str, requested: RequestedSettings, region: str) -> ClusterRequest | None:
    """None for an environment that makes its own cluster, or is in its base's."""
    cluster = str(requested.value(CLUSTER))
    if not cluster or requested.value("tenancy") == Tenancy.shared:
        return None
    monitored = requested.value("monitoring") != MonitoringScope.none
    return ClusterRequest(environment, cluster, region, monitored)


def check_settings(requested: RequestedSettings) -> Refusal | None:
    """What does not go with such a cluster, without a question to anybody."""
    if requested.value("tenancy") == Tenancy.shared:
        return None
    values = {key: requested.value(key) for key in clusters.NEEDS}
    given = [key for key in clusters.NEEDS if requested.text(qualified(key)) is not None]
    for key, words in clusters.misfits(values, given):
        shown = requested.text(qualified(key)) or "not set"
        value = {"rancherEnabled": "false", "monitoring": "none"}.get(key, "")
        remove = "" if value else f"./aerodrome config rm {key}"
        return Refusal(f"{key} is {shown}", f"{words[:1].upper()}{words[1:]}.", key, value, remove)
    return None


def check(
    client: Client,
    kubernetes: Callable[[], Kubernetes],
    asked: ClusterRequest,
    report: Callable[[str], None],
) -> Refusal | None:
    """Asks AWS, and then the cluster; what stops no deployment is reported."""
    found = look(client, asked)
    if refusal := judge(asked, found):
        return refusal
    try:
        inside = look_inside(kubernetes(), asked)
    except Unreachable as error:
        return _unreached(asked, found, error)
    except Refused as error:
        if error.status not in (UNAUTHORIZED, FORBIDDEN):
            raise
        return _not_let_in(asked, found, error.detail)
    refusal = judge_inside(asked, found, inside)
    if not refusal and CNI not in found.addons and CNI_NODES not in inside.daemons:
        report(
            f"whether the network of {asked.cluster} holds to NetworkPolicies is not known: it is not EKS's own"
        )
    return refusal


def look(client: Client, asked: ClusterRequest) -> ClusterFound:
    """Asks AWS."""
    with translated(f"show the cluster {asked.cluster}"):
        caller = str(client("sts").get_caller_identity()["Arn"])
        eks, named = client("eks"), {"clusterName": asked.cluster}
        answer = unless_gone(eks.describe_cluster, name=asked.cluster)
        if answer is None:
            return ClusterFound(caller, None, {})
        there = list(everything(eks, "list_addons", "addons", **named))
        config = {}
        for name in there:
            if name in (CNI, *ADDONS):
                shown = unless_gone(eks.describe_addon, addonName=name, **named) or {"addon": {}}
                config[name] = str(shown["addon"].get("configurationValues") or "")
        return ClusterFound(caller, answer["cluster"], config)


def look_inside(kubernetes: Kubernetes, asked: ClusterRequest) -> InsideFound:
    """Asks the cluster. Unreachable if it does not answer, Refused if it lets nobody look."""
    refused = [
        one for one in (() if kubernetes.may(*ALL) else asked.rights) if not kubernetes.may(*one)
    ]
    spaces = {name: kubernetes.find("namespace", name) for name in asked.spaces}
    daemons = kubernetes.objects("daemonsets", namespace="kube-system")
    pools = kubernetes.find("customresourcedefinition", "nodepools.karpenter.sh")
    return InsideFound(
        kubernetes.objects("nodes"),
        {name: one for name, one in spaces.items() if one is not None},
        {str(one["metadata"]["name"]): one for one in daemons},
        refused,
        pools is not None,
    )


def judge(asked: ClusterRequest, found: ClusterFound) -> Refusal | None:
    """What is wrong with it as AWS describes it; None if nothing is."""
    cluster, name = found.cluster, asked.cluster
    if cluster is None:
        return _refusal(
            f"There is no EKS cluster {name} in {asked.region}",
            f"The account is that of {found.caller}. `aws eks list-clusters --region {asked.region}` shows those that there are.",
        )
    if is_aerodrome(cluster.get("tags") or {}):
        return _refusal(
            f"The cluster {name} is another environment's",
            "It goes with that one. An environment shares it with tenancy shared, as a branch does.",
        )
    if cluster.get("status") != "ACTIVE":
        return _refusal(
            f"The cluster {name} is {cluster.get('status')}",
            "It must be ACTIVE. Wait until it is, or ask who owns it.",
            f"aws eks describe-cluster --region {asked.region} --name {name} --query cluster.status",
        )
    version = str(cluster.get("version", ""))
    if not versions.CLUSTERS.takes(version):
        return _refusal(
            f"The cluster {name} runs Kubernetes {version}",
            f"{versions.CLUSTERS}. Whoever owns it upgrades it.",
        )
    if (cluster.get("accessConfig") or {}).get("authenticationMode") == "CONFIG_MAP":
        return _refusal(
            f"The cluster {name} lets people in by its ConfigMap alone",
            "The environment's operators get an access entry, which it does not take. Whoever owns it adds that way; the ConfigMap still counts.",
            f"aws eks update-cluster-config --region {asked.region} --name {name} --access-config authenticationMode=API_AND_CONFIG_MAP",
        )
    if (cluster.get("computeConfig") or {}).get("enabled"):
        return _refusal(
            f"The cluster {name} runs in EKS Auto Mode",
            "Its disks come from another driver than the one that this version knows (ebs.csi.aws.com).",
        )
    return None


def judge_inside(asked: ClusterRequest, found: ClusterFound, inside: InsideFound) -> Refusal | None:
    """What is wrong with what is in it; None if nothing is."""
    if inside.refused:
        words = ", ".join(" ".join(part for part in one if part) for one in inside.refused)
        return _not_let_in(asked, found, f"Kubernetes forbids: {words}.")
    return _taken(asked, inside) or _addons(asked, found, inside) or _nodes(asked, inside)


def _taken(asked: ClusterRequest, inside: InsideFound) -> Refusal | None:
    for name, space in inside.spaces.items():
        owner = (space["metadata"].get("labels") or {}).get(LABEL_ENVIRONMENT, "")
        if owner == asked.environment:
            continue
        whose = f'the environment "{owner}"' if owner else "somebody else"
        return _refusal(
            f"The cluster {asked.cluster} has a namespace {name} already",
            f"It is that of {whose}, and this one needs it. One environment can stand in a cluster, and others share it by tenancy shared.",
            f"kubectl get namespace {name} --output yaml",
        )
    return None


def _addons(asked: ClusterRequest, found: ClusterFound, inside: InsideFound) -> Refusal | None:
    make = (
        f"aws eks create-addon --region {asked.region} --cluster-name {asked.cluster} --addon-name"
    )
    for addon, (daemon, why) in ADDONS.items():
        if addon not in found.addons and daemon not in inside.daemons:
            return _refusal(
                f"The cluster {asked.cluster} lacks {addon}",
                f"Without it nothing works there: {why}. Whoever owns the cluster adds it.",
                f"{make} {addon}",
            )
    known = CNI in found.addons or CNI_NODES in inside.daemons
    if known and not _enforces(found.addons.get(CNI, ""), inside.daemons.get(CNI_NODES)):
        on = '{"enableNetworkPolicy":"true"}'
        return _refusal(
            f"The network of {asked.cluster} takes NetworkPolicies and holds nobody back",
            "Anybody's pods there would reach Airflow's database. Whoever owns the cluster sets enableNetworkPolicy of its add-on vpc-cni.",
            f"aws eks update-addon --region {asked.region} --cluster-name {asked.cluster} --addon-name {CNI} --configuration-values '{on}'",
        )
    return None


def _enforces(configuration: str, daemon: Mapping[str, Any] | None) -> bool:
    """The add-on says so, or what it runs, which may be installed in another way."""
    try:
        wanted = json.loads(configuration or "{}").get("enableNetworkPolicy")
    except (ValueError, AttributeError):
        wanted = None
    if str(wanted).lower() == "true":
        return True
    containers = daemon["spec"]["template"]["spec"].get("containers", ()) if daemon else ()
    return any(POLICIES_ON in (one.get("args") or ()) for one in containers)


def _nodes(asked: ClusterRequest, inside: InsideFound) -> Refusal | None:
    if inside.grows or any(_takes_pods(node) for node in inside.nodes):
        return None
    return _refusal(
        f"No node of {asked.cluster} takes the environment's pods",
        f"It has {len(inside.nodes)}. One is needed that is ready, not cordoned, runs Linux on amd64, and has no taint that keeps pods off.",
        "kubectl get nodes --output wide",
    )


def _takes_pods(node: Object) -> bool:
    labels, spec = node["metadata"].get("labels") or {}, node.get("spec") or {}
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    tainted = any(one.get("effect") != "PreferNoSchedule" for one in spec.get("taints") or ())
    fits = labels.get("kubernetes.io/arch", "amd64") == "amd64"
    linux = labels.get("kubernetes.io/os", "linux") == "linux"
    return ready and fits and linux and not tainted and not spec.get("unschedulable")


def _unreached(asked: ClusterRequest, found: ClusterFound, error: Unreachable) -> Refusal:
    network = (found.cluster or {}).get("resourcesVpcConfig") or {}
    who = ", ".join(network.get("publicAccessCidrs") or ()) or "nobody"
    why = (
        f"From outside it lets in {who}."
        if network.get("endpointPublicAccess")
        else "It is reached from its own network alone (endpointPublicAccess is off)."
    )
    return _refusal(
        f"The Kubernetes API of {asked.cluster} is not reached from here",
        f"{why} {error.detail}\nRun the command from where it is, or have this machine's address let in.",
        f"aws eks describe-cluster --region {asked.region} --name {asked.cluster} --query cluster.resourcesVpcConfig",
    )


def _not_let_in(asked: ClusterRequest, found: ClusterFound, words: str) -> Refusal:
    principal = _principal(found.caller)
    policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
    named = f"--region {asked.region} --cluster-name {asked.cluster} --principal-arn {principal}"
    return _refusal(
        f"The cluster {asked.cluster} does not let the caller deploy",
        f"{words}\nWhoever owns the cluster lets in {principal}, with an access entry and a policy, such as AmazonEKSClusterAdminPolicy:\n"
        f"aws eks associate-access-policy {named} --access-scope type=cluster --policy-arn {policy}",
        f"aws eks create-access-entry {named}",
    )


def _principal(caller: str) -> str:
    """The role behind a session: an entry names roles and users."""
    start, kind, rest = caller.partition(":assumed-role/")
    if not kind:
        return caller
    return f"{start.replace(':sts:', ':iam:')}:role/{rest.split('/')[0]}"


def _refusal(summary: str, detail: str, fix: str = "") -> Refusal:
    return Refusal(summary, detail, CLUSTER, "", fix)
