"""The Kubernetes cluster: EKS, its workers and add-ons, or one that is there already.

Order matters more when it goes than when it comes. Engines delete in the reverse order of the
dependencies, so each is written down: what runs in the cluster goes before the add-ons, those before the
workers, these before the control plane, and that before the network and the log group.
"""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_eks as eks
import pulumi_kubernetes as kubernetes

from infra import api_way, policies
from infra.contract import api_endpoints
from infra.contract.clusters import STORAGE_CLASS
from infra.existing_cluster import FoundCluster
from infra.network import Network
from infra.stack import Stack
from infra.workers import make_workers

LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")

KEY_DELETION_DAYS = 7
"""How long KMS keeps a key that was given up; 7 is the least. Until then the deletion can be undone."""


@dataclass(frozen=True)
class ClusterArgs:
    """The stack says how large, the network where."""

    stack: Stack
    network: Network


class KubernetesCluster(pulumi.ComponentResource):
    """What everything that runs in a cluster knows of it, whoever made it."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    """Of the workers and the control plane: EKS makes it."""
    log_group_arn: pulumi.Output[str] | None
    """None where the control plane's logs tell of others, too."""
    kubeconfig: pulumi.Output[str]
    provider: kubernetes.Provider
    """Depends on workers and add-ons: what runs in the cluster comes after them and goes before them."""
    storage_class: kubernetes.storage.v1.StorageClass

    def __init__(self, type_: str, name: str, stack: Stack, opts: Any) -> None:
        super().__init__(type_, name, {}, opts)
        self._stack = stack
        self._names = stack.names
        self._child = pulumi.ResourceOptions(parent=self)

    def _enter(self, kubeconfig: pulumi.Output[str], *after: pulumi.Resource) -> None:
        """The provider and the class of its disks."""
        self.provider = kubernetes.Provider(
            self._names.cluster,
            kubeconfig=kubeconfig,
            # Otherwise a changed Secret is deleted and made again: pods that start in between fail.
            enable_secret_mutable=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*after]),
        )
        self.storage_class = self._storage_class()
        self.register_outputs({"name": self.name})

    def _storage_class(self) -> kubernetes.storage.v1.StorageClass:
        # The driver puts these tags on every disk: the only way to find one that was left behind. None that
        # changes from day to day: a class can only be replaced.
        tag_parameters = {
            f"tagSpecification_{number}": f"{key}={value}"
            for number, (key, value) in enumerate(sorted(self._stack.lasting_tags.items()), start=1)
        }
        return kubernetes.storage.v1.StorageClass(
            self._names.of(STORAGE_CLASS),
            metadata={"name": self._stack.storage_class},
            provisioner="ebs.csi.aws.com",
            parameters={"type": "gp3", "encrypted": "true"} | tag_parameters,
            # The disk must be in the zone where the pod finds room.
            volume_binding_mode="WaitForFirstConsumer",
            reclaim_policy="Retain" if self._stack.settings.protect else "Delete",
            allow_volume_expansion=True,
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=self.provider,
                # Kubernetes refuses to change it in place, and the provider does not know that.
                replace_on_changes=["reclaimPolicy"],
                delete_before_replace=True,
            ),
        )


class Cluster(KubernetesCluster):
    """The control plane, its workers, its add-ons and the provider that talks to it."""

    def __init__(
        self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:Cluster", name, args.stack, opts)
        self._network = args.network
        log_group = self._log_group()
        self.log_group_arn = log_group.arn
        self._eks = self._control_plane(log_group)
        self.name = self._eks.eks_cluster.name
        self.arn = self._eks.eks_cluster.arn
        self.security_group_id = self._eks.eks_cluster.vpc_config.cluster_security_group_id
        # It holds no key. A branch reads it, whose secrets are encrypted with another one (ADR 10).
        self.kubeconfig = self._eks.kubeconfig_json
        workers = make_workers(args.stack, self._eks, args.network, parent=self)
        addons = self._addons(workers)
        kubeconfig = self.kubeconfig
        if api_endpoints.takes_sessions(args.stack.settings.endpoint_access):
            kubeconfig = api_way.awaited(self._names.cluster, kubeconfig, workers)
        self._enter(kubeconfig, workers, *addons)

    def _log_group(self) -> aws.cloudwatch.LogGroup:
        # EKS makes this group by itself if it finds none: then it has no retention, no tags, and outlives
        # the cluster.
        return aws.cloudwatch.LogGroup(
            self._names.of("control-plane"),
            name=self._names.control_plane_log_group,
            retention_in_days=self._stack.settings.log_retention_days,
            opts=self._child,
        )

    def _control_plane(self, log_group: aws.cloudwatch.LogGroup) -> eks.Cluster:
        settings = self._stack.settings
        public = api_endpoints.is_public(settings.endpoint_access)
        key = aws.kms.Key(
            self._names.of("secrets"),
            description=f"Kubernetes Secrets of {self._names.cluster}",
            enable_key_rotation=True,
            deletion_window_in_days=KEY_DELETION_DAYS,
            opts=self._child,
        )
        return eks.Cluster(
            self._names.cluster,
            name=self._names.cluster,
            version=settings.kubernetes_version,
            vpc_id=self._network.vpc_id,
            public_subnet_ids=self._network.public_subnet_ids,
            private_subnet_ids=self._network.private_subnet_ids,
            authentication_mode=eks.AuthenticationMode.API,
            # Without it NetworkPolicies are accepted, and hold nobody back.
            vpc_cni_options=eks.VpcCniOptionsArgs(enable_network_policy=True),
            # Workers are a group of their own below, so that they can change without the cluster.
            skip_default_node_group=True,
            encryption_config_key_arn=key.arn,
            enabled_cluster_log_types=list(LOG_TYPES),
            # Workers talk to the API inside the network. People and Pulumi come from outside: to the public endpoint,
            # or through a worker.
            endpoint_private_access=True,
            endpoint_public_access=public,
            # EKS refuses them for an endpoint that is not public.
            public_access_cidrs=list(settings.public_access_cidrs) if public else None,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[log_group, self._network],
            ),
        )

    def _addons(self, workers: eks.ManagedNodeGroup) -> list[pulumi.Resource]:
        # They run on the workers; EKS reports an add-on without a place to run as degraded.
        after_workers = pulumi.ResourceOptions(parent=self, depends_on=[workers])
        names = self._names
        simple = [
            eks.Addon(names.of(addon), cluster=self._eks, addon_name=addon, opts=after_workers)
            for addon in ("coredns", "eks-pod-identity-agent")
        ]
        driver = eks.Addon(
            names.of("aws-ebs-csi-driver"),
            cluster=self._eks,
            addon_name="aws-ebs-csi-driver",
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[workers, *simple, self._volume_permissions()]
            ),
        )
        return [*simple, driver]

    def _volume_permissions(self) -> pulumi.Resource:
        """The driver's role: it makes, attaches and deletes disks."""
        role = aws.iam.Role(
            self._names.of("volumes"),
            path=self._names.iam_path,
            assume_role_policy=policies.assumed_by_pods(),
            opts=self._child,
        )
        attachment = aws.iam.RolePolicyAttachment(
            self._names.of("volumes"),
            role=role.name,
            policy_arn=(
                f"arn:{self._stack.place.partition}:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"
            ),
            opts=self._child,
        )
        return aws.eks.PodIdentityAssociation(
            self._names.of("volumes"),
            cluster_name=self.name,
            namespace="kube-system",
            service_account="ebs-csi-controller-sa",
            role_arn=role.arn,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[attachment]),
        )


class ExistingCluster(KubernetesCluster):
    """One that is somebody else's: the provider that talks to it, and a class for disks. Its owner lets people in."""

    def __init__(
        self,
        name: str,
        stack: Stack,
        found: FoundCluster,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("aerodrome:index:ExistingCluster", name, stack, opts)
        self.name = pulumi.Output.from_input(found.name)
        self.arn = pulumi.Output.from_input(found.arn)
        self.security_group_id = pulumi.Output.from_input(found.security_group_id)
        self.log_group_arn = None
        self.kubeconfig = pulumi.Output.from_input(found.kubeconfig)
        self._enter(self.kubeconfig)


def deploy_cluster(stack: Stack, network: Network) -> KubernetesCluster:
    """One of its own, or that which the settings name."""
    if stack.place.cluster:
        return ExistingCluster("cluster", stack, stack.place.cluster)
    return Cluster("cluster", ClusterArgs(stack, network))
