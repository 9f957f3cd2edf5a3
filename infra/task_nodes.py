"""Nodes for tasks: Karpenter, what it must be told, and what it may do.

It makes nodes when pods of tasks wait, and takes away those that are idle; the workers, where it runs itself,
are none of its business. What it makes is in no state: `down` deletes the node pool first, while Karpenter
lives, and finds by tag what was left.
"""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from infra import policies
from infra.cluster import KubernetesCluster
from infra.contract import public_images
from infra.contract.naming import LABEL_TASKS
from infra.contract.public_images import PublicImage
from infra.karpenter_policy import POOL, Territory, make_nodes
from infra.network import Network
from infra.proxies import proxy_variables
from infra.stack import Stack
from infra.workers import NODE_POLICIES

NAMESPACE = "kube-system"
SERVICE_ACCOUNT = "karpenter"
TIMEOUT_SECONDS = 600

NODE_LIFE = "720h"
"""A node that is older goes when its last task has ended, and takes with it what it missed of updates."""

QUEUE_SECONDS = 300
"""How long a message is kept: an older one tells of an instance that is gone."""

EVENTS = {
    "spot": ("aws.ec2", "EC2 Spot Instance Interruption Warning"),
    "rebalance": ("aws.ec2", "EC2 Instance Rebalance Recommendation"),
    "state": ("aws.ec2", "EC2 Instance State-change Notification"),
    "health": ("aws.health", "AWS Health Event"),
}
"""What Karpenter wants to know of instances: by rule, source and kind. It passes over those of others."""


@dataclass(frozen=True)
class TaskNodesArgs:
    """Whose tasks, and where."""

    stack: Stack
    cluster: KubernetesCluster
    network: Network


class TaskNodes(pulumi.ComponentResource):
    """Karpenter and its node pool, with the role of the nodes and the queue of interruptions."""

    pool: kubernetes.apiextensions.CustomResource
    """Pods of tasks find no node before it is there; it goes after them."""

    def __init__(
        self, name: str, args: TaskNodesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:TaskNodes", name, {}, opts)
        self._args, self._names = args, args.stack.names
        self._child = pulumi.ResourceOptions(parent=self)
        role, needed = self._node_role()
        profile = aws.iam.InstanceProfile(
            self._names.of("task-node"), path=self._names.iam_path, role=role.name, opts=self._child
        )
        queue, heard = self._interruptions()
        permitted = self._permissions(role, queue)
        karpenter = self._karpenter(queue, [permitted, *needed, *heard])
        self.pool = self._pool(profile, karpenter)
        self.register_outputs({})

    def _node_role(self) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
        """The role of the nodes, and what lets them into the cluster."""
        logical, stack = self._names.of("task-node"), self._args.stack
        role = aws.iam.Role(
            logical,
            path=self._names.iam_path,
            assume_role_policy=policies.assumed_by_service("ec2.amazonaws.com"),
            opts=self._child,
        )
        attached: list[pulumi.Resource] = [
            aws.iam.RolePolicyAttachment(
                self._names.of("task-node", policy),
                role=role.name,
                policy_arn=f"arn:{stack.place.partition}:iam::aws:policy/{policy}",
                opts=self._child,
            )
            for policy in NODE_POLICIES
        ]
        entry = aws.eks.AccessEntry(
            logical,
            cluster_name=self._args.cluster.name,
            principal_arn=role.arn,
            type="EC2_LINUX",
            opts=self._child,
        )
        return role, [*attached, entry]

    def _interruptions(self) -> tuple[aws.sqs.Queue, list[pulumi.Resource]]:
        """The queue, with what fills it."""
        logical = self._names.of("interruptions")
        queue = aws.sqs.Queue(
            logical,
            name=logical,
            message_retention_seconds=QUEUE_SECONDS,
            sqs_managed_sse_enabled=True,
            opts=self._child,
        )
        policy = aws.sqs.QueuePolicy(
            logical,
            queue_url=queue.url,
            policy=pulumi.Output.all(queue.arn, self._args.cluster.arn).apply(
                lambda arns: policies.take_events(arns[0], self._rules(arns[1]))
            ),
            opts=self._child,
        )
        made: list[pulumi.Resource] = [policy]
        for key, (source, kind) in EVENTS.items():
            rule = aws.cloudwatch.EventRule(
                self._names.of(f"node-{key}"),
                description=f"{kind}, for Karpenter",
                event_pattern=policies.pattern(source, kind),
                opts=self._child,
            )
            target = aws.cloudwatch.EventTarget(
                self._names.of(f"node-{key}"),
                rule=rule.name,
                target_id="karpenter",
                arn=queue.arn,
                opts=self._child,
            )
            made += [rule, target]
        return queue, made

    def _rules(self, cluster_arn: str) -> str:
        """The ARNs of the rules; they get the end of their names from Pulumi."""
        _, partition, _, region, account, _ = cluster_arn.split(":", 5)
        return f"arn:{partition}:events:{region}:{account}:rule/{self._names.of('node')}-*"

    def _permissions(self, role: aws.iam.Role, queue: aws.sqs.Queue) -> pulumi.Resource:
        """Karpenter's role, tied to its pods."""
        stack, cluster = self._args.stack, self._args.cluster
        logical = self._names.of("karpenter")
        own = aws.iam.Role(
            logical,
            path=self._names.iam_path,
            assume_role_policy=policies.assumed_by_pods(),
            opts=self._child,
        )
        policy = pulumi.Output.all(
            cluster_arn=cluster.arn,
            queue_arn=queue.arn,
            role_arn=role.arn,
            subnet_ids=self._args.network.private_subnet_ids,
            security_group_id=cluster.security_group_id,
        ).apply(
            lambda known: make_nodes(
                Territory(stack.place.partition, stack.place.region, self._names.cluster, **known)
            )
        )
        allowed = aws.iam.RolePolicy(logical, role=own.name, policy=policy, opts=self._child)
        return aws.eks.PodIdentityAssociation(
            logical,
            cluster_name=cluster.name,
            namespace=NAMESPACE,
            service_account=SERVICE_ACCOUNT,
            role_arn=own.arn,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[allowed]),
        )

    def _karpenter(
        self, queue: aws.sqs.Queue, needed: list[pulumi.Resource]
    ) -> kubernetes.helm.v3.Release:
        charts, controller = public_images.KARPENTER_CHARTS, public_images.KARPENTER
        chart, definitions = charts
        kinds = self._release("karpenter-crd", definitions, {}, [])
        settings = self._args.stack.settings
        mirror = settings.image_mirror
        values = {
            "serviceAccount": {"name": SERVICE_ACCOUNT},
            # They never share a node: a second one would wait for it, and the deployment with it.
            "replicas": 2 if settings.node_min > 1 else 1,
            "settings": {"clusterName": self._args.cluster.name, "interruptionQueue": queue.name},
            "controller": {
                **({"env": told} if (told := proxy_variables(self._args.stack)) else {}),
                # The tag and the digest are the chart's.
                **({"image": {"repository": controller.place(mirror)}} if mirror else {}),
                "resources": {
                    "requests": {"cpu": "200m", "memory": "512Mi"},
                    "limits": {"memory": "1Gi"},
                },
            },
        }
        return self._release("karpenter", chart, values, [kinds, *needed])

    def _release(
        self, name: str, chart: PublicImage, values: dict[str, Any], needed: list[pulumi.Resource]
    ) -> kubernetes.helm.v3.Release:
        return kubernetes.helm.v3.Release(
            self._names.of(name),
            name=name,
            namespace=NAMESPACE,
            chart=f"oci://{chart.place(self._args.stack.settings.image_mirror)}",
            version=chart.tag,
            # Helm never updates what a chart defines beside its templates: the other chart has them as templates.
            skip_crds=True,
            values=values,
            timeout=TIMEOUT_SECONDS,
            atomic=False,
            cleanup_on_fail=True,
            opts=pulumi.ResourceOptions(
                parent=self, provider=self._args.cluster.provider, depends_on=needed
            ),
        )

    def _pool(
        self, profile: aws.iam.InstanceProfile, karpenter: pulumi.Resource
    ) -> kubernetes.apiextensions.CustomResource:
        """Which nodes there may be, and how each is made."""
        args = self._args
        made = self._custom(
            "karpenter.k8s.aws/v1",
            "EC2NodeClass",
            node_class(
                args.stack,
                profile.name,
                args.network.private_subnet_ids,
                args.cluster.security_group_id,
            ),
            karpenter,
        )
        return self._custom("karpenter.sh/v1", "NodePool", node_pool(args.stack), made)

    def _custom(
        self, version: str, kind: str, spec: dict[str, Any], needed: pulumi.Resource
    ) -> kubernetes.apiextensions.CustomResource:
        return kubernetes.apiextensions.CustomResource(
            self._names.of(kind.lower()),
            api_version=version,
            kind=kind,
            metadata={"name": POOL},
            spec=spec,
            opts=pulumi.ResourceOptions(
                parent=self, provider=self._args.cluster.provider, depends_on=[needed]
            ),
        )

    @property
    def values(self) -> dict[str, Any]:
        """The chart's value: where pods of tasks run."""
        return {"workers": {"ownNodes": LABEL_TASKS}}


def node_class(
    stack: Stack,
    profile: pulumi.Input[str],
    subnet_ids: pulumi.Input[Any],
    security_group_id: pulumi.Input[str],
) -> dict[str, Any]:
    """How an instance is made. Subnets and security group by id: a tag could be on another's, too."""
    return {
        "instanceProfile": profile,
        "amiSelectorTerms": [{"alias": "al2023@latest"}],
        "subnetSelectorTerms": pulumi.Output.all(subnet_ids).apply(
            lambda known: [{"id": subnet} for subnet in known[0]]
        ),
        "securityGroupSelectorTerms": [{"id": security_group_id}],
        "blockDeviceMappings": [
            {
                "deviceName": "/dev/xvda",
                "ebs": {
                    "volumeSize": f"{stack.settings.node_disk_gb}Gi",
                    "volumeType": "gp3",
                    "encrypted": True,
                    "deleteOnTermination": True,
                },
            }
        ],
        # IMDSv2 only, and no hop further: a task must not take the node's credentials.
        "metadataOptions": {
            "httpEndpoint": "enabled",
            "httpTokens": "required",
            "httpPutResponseHopLimit": 1,
        },
        # None that changes from day to day: all nodes would be replaced.
        "tags": stack.lasting_tags,
    }


def node_pool(stack: Stack) -> dict[str, Any]:
    """Which nodes there may be, how many, and when they go."""
    settings = stack.settings
    capacity = ["spot", "on-demand"] if settings.task_node_spot else ["on-demand"]
    return {
        "template": {
            "metadata": {"labels": {LABEL_TASKS: "true"}},
            "spec": {
                "nodeClassRef": {
                    "group": "karpenter.k8s.aws",
                    "kind": "EC2NodeClass",
                    "name": POOL,
                },
                "taints": [{"key": LABEL_TASKS, "value": "true", "effect": "NoSchedule"}],
                "requirements": [
                    _one_of("node.kubernetes.io/instance-type", settings.task_node_types),
                    _one_of("karpenter.sh/capacity-type", capacity),
                    _one_of("kubernetes.io/arch", ["amd64"]),
                    _one_of("kubernetes.io/os", ["linux"]),
                ],
                "expireAfter": NODE_LIFE,
            },
        },
        "limits": limits(settings.task_node_max, settings.node_disk_gb),
        "disruption": {
            # Never one with a task, however small.
            "consolidationPolicy": "WhenEmpty",
            "consolidateAfter": f"{settings.task_node_idle_seconds}s",
            "budgets": [
                {"nodes": "100%", "reasons": ["Empty"]},
                {"nodes": "10%", "reasons": ["Drifted"]},
            ],
        },
    }


def limits(nodes: int, disk_gb: int) -> dict[str, Any]:
    """So many nodes, and no more. Karpenter looks at their number only between one batch of pods and the next, and makes
    for each as many as it needs; what they have it adds up node by node. All have one disk, of one size."""
    return {"nodes": nodes, "ephemeral-storage": f"{nodes * disk_gb}Gi"}


def _one_of(label: str, values: Any) -> dict[str, Any]:
    return {"key": label, "operator": "In", "values": list(values)}


def deploy_task_nodes(
    stack: Stack, cluster: KubernetesCluster, network: Network
) -> TaskNodes | None:
    """What the setting asks for."""
    if not stack.settings.task_nodes:
        return None
    return TaskNodes("task-nodes", TaskNodesArgs(stack, cluster, network))
