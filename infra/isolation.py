"""What keeps a shared environment in its place: how much it may use, and whom it may talk to.

Kubernetes holds its pods to it from the moment these objects exist. On EKS the network's part is enforced
by the VPC CNI (`cluster.py` switches that on).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_kubernetes.meta import v1 as meta
from pulumi_kubernetes.networking import v1 as networking

from infra.address import PORT
from infra.contract.logs import ELASTICSEARCH_PORT
from infra.contract.metrics import NAMESPACE as MONITORING
from infra.contract.metrics import STATSD_PORT
from infra.contract.proxies import ProxyAddress
from infra.proxies import proxy_addresses
from infra.stack import Stack

NAMESPACE_LABELS = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
}
"""No pod gets at the node, and by it at the neighbours, be it one that a DAG starts."""

QUOTA = {
    "pods": "50",
    "requests.cpu": "6",
    "requests.memory": "12Gi",
    "limits.memory": "48Gi",
    "persistentvolumeclaims": "5",
    "requests.storage": "50Gi",
    # It would be the one thing of a branch that AWS bills by the hour.
    "services.loadbalancers": "0",
}
"""Airflow's own pods ask for a tenth of it; the rest is some thirty tasks at once."""

LIMITS = kubernetes.core.v1.LimitRangeItemArgs(
    type="Container",
    default_request={"cpu": "50m", "memory": "128Mi"},
    default={"memory": "512Mi"},
    max={"memory": "4Gi"},
)
"""For pods of DAGs that say nothing: with a quota on memory they would be refused."""

POD_IDENTITY_AGENT = "169.254.170.23/32"
"""EKS's own: the same address on every node."""


@dataclass(frozen=True)
class NamespaceIsolationArgs:
    """The stack that it belongs to, and the namespace that it isolates."""

    stack: Stack
    provider: kubernetes.Provider
    namespace: pulumi.Input[str]


class NamespaceIsolation(pulumi.ComponentResource):
    """ResourceQuota, LimitRange and a NetworkPolicy for every pod of the namespace."""

    def __init__(
        self, name: str, args: NamespaceIsolationArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        # The type is in the URNs of what is deployed: another one would replace all of it.
        super().__init__("aerodrome:index:Fences", name, {}, opts)
        names = args.stack.names
        child = pulumi.ResourceOptions(parent=self, provider=args.provider)
        metadata = meta.ObjectMetaArgs(
            name="fences", namespace=args.namespace, labels=args.stack.labels
        )
        kubernetes.core.v1.ResourceQuota(
            names.of("quota"),
            metadata=metadata,
            spec=kubernetes.core.v1.ResourceQuotaSpecArgs(hard=QUOTA),
            opts=child,
        )
        kubernetes.core.v1.LimitRange(
            names.of("limits"),
            metadata=metadata,
            spec=kubernetes.core.v1.LimitRangeSpecArgs(limits=[LIMITS]),
            opts=child,
        )
        kubernetes.networking.v1.NetworkPolicy(
            names.of("network"),
            metadata=metadata,
            spec=networking.NetworkPolicySpecArgs(
                pod_selector=meta.LabelSelectorArgs(),
                # Nobody gets in but by the chart's own policies, which name each way.
                policy_types=["Ingress", "Egress"],
                egress=_ways_out(proxy_addresses(args.stack)),
            ),
            opts=child,
        )
        self.register_outputs({})


def _ways_out(proxies: Sequence[ProxyAddress]) -> list[networking.NetworkPolicyEgressRuleArgs]:
    rule, peer = networking.NetworkPolicyEgressRuleArgs, networking.NetworkPolicyPeerArgs
    own = peer(pod_selector=meta.LabelSelectorArgs())
    dns = peer(
        namespace_selector=meta.LabelSelectorArgs(
            match_labels={"kubernetes.io/metadata.name": "kube-system"}
        )
    )
    monitoring = peer(
        namespace_selector=meta.LabelSelectorArgs(
            match_labels={"kubernetes.io/metadata.name": MONITORING}
        )
    )
    identities = peer(ip_block=networking.IPBlockArgs(cidr=POD_IDENTITY_AGENT))
    return [
        rule(to=[own]),
        rule(to=[dns], ports=[_port(53, "UDP"), _port(53)]),
        rule(to=[identities], ports=[_port(80)]),
        rule(to=[monitoring], ports=[_port(STATSD_PORT, "UDP")]),
        # Airflow's UI reads logs there, as a user of its environment.
        rule(to=[monitoring], ports=[_port(ELASTICSEARCH_PORT)]),
        # Whom the database lets in is decided by its own policy or security group, and by the password.
        rule(ports=[_port(PORT)]),
        # Kubernetes, AWS and what DAGs call outside. Other environments do not listen there.
        rule(ports=[_port(443)]),
        *(
            rule(
                to=[peer(ip_block=networking.IPBlockArgs(cidr=one.block))] if one.block else None,
                ports=[_port(one.port)],
            )
            for one in proxies
        ),
    ]


def _port(number: int, protocol: str = "TCP") -> networking.NetworkPolicyPortArgs:
    return networking.NetworkPolicyPortArgs(protocol=protocol, port=number)
