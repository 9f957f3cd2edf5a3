"""Who may do what: IAM users for people and programs outside, and a role for Airflow's pods.

No policy is put on a user; users are in groups. Nothing inside AWS has a key: pods get short-lived
credentials from EKS Pod Identity. Of the users only Rancher's has an access key, because Rancher's cloud
credentials know nothing else; the operator signs in and the log writer's key, if one is ever needed
outside, is made by hand. A pipeline comes with roles of its own, which bootstrap makes; here it is let
into the cluster.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pulumi
import pulumi_aws as aws

from infra import airflow_role, policies, task_roles
from infra.cluster import KubernetesCluster
from infra.contract import api_endpoints, clusters, secrets_backends, task_policies
from infra.contract.metrics import MonitoringScope
from infra.contract.naming import BRANCH_DAGS, BRANCH_LOGS, XCOMS
from infra.contract.rancher_keys import RancherKeys, resource_name
from infra.log_bucket import LogBucket
from infra.outputs import RancherKey
from infra.stack import Stack


@dataclass(frozen=True)
class AccessArgs:
    """What the permissions are about."""

    stack: Stack
    cluster: KubernetesCluster
    bucket: LogBucket


class Access(pulumi.ComponentResource):
    """Users, groups, policies, and Airflow's role."""

    airflow_role_arn: pulumi.Output[str]
    task_role_arns: Mapping[str, pulumi.Output[str]]
    """By the tasks' service account; none where tasks have Airflow's role."""
    branch_boundary: pulumi.Output[str] | None = None
    """What no role of a branch may go beyond, where a pipeline makes those roles or an organisation wants it."""
    rancher_key: RancherKey | None = None

    def __init__(
        self, name: str, args: AccessArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:Access", name, {}, opts)
        self._args = args
        self._names = args.stack.names
        self._child = pulumi.ResourceOptions(parent=self)
        self._operator()
        self._log_writer()
        if args.stack.settings.rancher_enabled:
            self.rancher_key = self._rancher()
        if args.stack.settings.preview_role:
            role = args.stack.settings.preview_role
            self._cluster_access("preview", role, "AmazonEKSAdminViewPolicy")
        if args.stack.settings.deploy_role:
            self.branch_boundary = self._deployer(args.stack.settings.deploy_role)
        elif args.stack.settings.permissions_boundary:
            self.branch_boundary = pulumi.Output.from_input(
                args.stack.settings.permissions_boundary
            )
        self.airflow_role_arn = airflow_role.make(args.stack, args.bucket.arn, parent=self)
        self.task_role_arns = task_roles.make(args.stack, args.bucket.arn, parent=self)
        self.register_outputs({"airflowRoleArn": self.airflow_role_arn})

    def _operator(self) -> None:
        args = self._args
        policy = pulumi.Output.all(
            args.cluster.arn, args.bucket.arn, args.cluster.log_group_arn or ""
        ).apply(lambda arns: policies.operate(arns[0], arns[1], self._names.log_prefix, arns[2]))
        more = {}
        if api_endpoints.takes_sessions(args.stack.settings.endpoint_access):
            # A policy of its own: others whom the cluster lets in are given it, too.
            more["tunnel"] = args.cluster.arn.apply(
                lambda arn: policies.open_tunnel(arn, self._names.cluster)
            )
        user = self._user_in_group("operator", policy, more)
        # In Kubernetes, too, an operator sees everything but Secrets, and changes nothing.
        self._cluster_access("operator", user.arn, "AmazonEKSViewPolicy")

    def _log_writer(self) -> None:
        prefix = self._names.log_prefix
        policy = self._args.bucket.arn.apply(lambda arn: policies.write_logs(arn, prefix))
        self._user_in_group("log-writer", policy)

    def _rancher(self) -> RancherKey:
        policy = self._args.cluster.arn.apply(policies.manage_with_rancher)
        user = self._user_in_group("rancher", policy)
        # Rancher installs its agent in the cluster, which takes an administrator.
        self._cluster_access("rancher", user.arn, "AmazonEKSClusterAdminPolicy")
        wanted = RancherKeys.parse(self._args.stack.settings.rancher_keys)
        key = self._rancher_key(wanted.current, user)
        if wanted.former:
            self._rancher_key(wanted.former, user, works=wanted.former_works)
        return RancherKey(key.id, pulumi.Output.secret(key.secret))

    def _rancher_key(
        self, number: int, user: aws.iam.User, *, works: bool = True
    ) -> aws.iam.AccessKey:
        return aws.iam.AccessKey(
            resource_name(self._names.of("rancher"), number),
            user=user.name,
            status=None if works else "Inactive",
            opts=self._child,
        )

    def _deployer(self, role: str) -> pulumi.Output[str]:
        # A branch has a namespace, and makes its database from the base's.
        self._cluster_access("deploy", role, "AmazonEKSClusterAdminPolicy")
        stack = self._args.stack
        tasks = task_policies.parse(stack.settings.task_policies)
        owners = stack.access.task_policies.values() if stack.access else ()
        secrets = secrets_backends.of_branches(stack.settings.environment)
        boundary = aws.iam.Policy(
            self._names.branch_boundary,
            # Known beforehand: the pipeline's own policy demands it of every role that it makes.
            name=self._names.branch_boundary,
            path=self._names.iam_path,
            policy=pulumi.Output.all(self._args.bucket.arn, self._args.cluster.arn).apply(
                lambda arns: policies.branch_boundary(
                    arns[0],
                    BRANCH_LOGS,
                    f"{BRANCH_LOGS}/*/{XCOMS}",
                    BRANCH_DAGS,
                    [
                        *tasks.statements,
                        *(one for each in owners for one in each.statements),
                        # With the base's own backend and key.
                        *(
                            airflow_role.secret_statements(stack, secrets, arns[1])
                            if stack.settings.secrets_backend != secrets_backends.NONE
                            else ()
                        ),
                    ],
                )
            ),
            opts=self._child,
        )
        return boundary.arn

    def _user_in_group(
        self,
        role: str,
        policy: pulumi.Output[str],
        more: Mapping[str, pulumi.Output[str]] = MappingProxyType({}),
    ) -> aws.iam.User:
        """A user, its group, and the group's policies: its own, and `more` by what they are for."""
        logical, path = self._names.of(role), self._names.iam_path
        user = aws.iam.User(
            logical,
            path=path,
            # Keys and passwords that were made by hand must not keep the environment alive.
            force_destroy=True,
            opts=self._child,
        )
        group = aws.iam.Group(logical, path=path, opts=self._child)
        for purpose, document in {role: policy, **more}.items():
            name = self._names.of(purpose)
            permission = aws.iam.Policy(name, path=path, policy=document, opts=self._child)
            aws.iam.GroupPolicyAttachment(
                name, group=group.name, policy_arn=permission.arn, opts=self._child
            )
        aws.iam.UserGroupMembership(logical, user=user.name, groups=[group.name], opts=self._child)
        return user

    def _cluster_access(self, role: str, principal: pulumi.Input[str], policy: str) -> None:
        """Lets a user or a role into the cluster: an access entry, and what it may do there."""
        logical = self._names.of(role)
        entry = aws.eks.AccessEntry(
            logical,
            cluster_name=self._args.cluster.name,
            principal_arn=principal,
            opts=self._child,
        )
        aws.eks.AccessPolicyAssociation(
            logical,
            cluster_name=entry.cluster_name,
            principal_arn=entry.principal_arn,
            # EKS's own policies have the same name in every partition.
            policy_arn=f"arn:aws:eks::aws:cluster-access-policy/{policy}",
            access_scope=self._scope(),
            opts=self._child,
        )

    def _scope(self) -> aws.eks.AccessPolicyAssociationAccessScopeArgsDict:
        """Where that holds: in the whole cluster, or in what of another's is the environment's."""
        if not self._args.stack.place.cluster:
            return {"type": "cluster"}
        watched = self._args.stack.settings.monitoring != MonitoringScope.none
        return {"type": "namespace", "namespaces": [*clusters.namespaces(monitored=watched)]}
