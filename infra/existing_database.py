"""A database of its own for a dedicated environment, in an RDS instance that is there already.

The chart that makes and drops a branch's database does it, in a namespace of its own: who may start pods beside it, as Airflow's
scheduler may, could mount what it has. Its pods read the secret of the user that makes databases themselves, each time: RDS gives
that user another password every week, and so it is in no state, no Secret and no plan.
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from infra import policies
from infra.address import Address
from infra.cluster import KubernetesCluster
from infra.content import PROJECT_ROOT, content_hash
from infra.contract import existing_server, secret_contents
from infra.existing_server import ExistingServer
from infra.image import Image
from infra.stack import Stack

TIMEOUT_SECONDS = 300
"""Room for a node that has to fetch the image first."""


@dataclass(frozen=True)
class ExistingDatabaseArgs:
    """Whose database it is, in which instance, and from where and by what it is made."""

    stack: Stack
    server: ExistingServer
    cluster: KubernetesCluster
    image: Image


class ExistingDatabase(pulumi.ComponentResource):
    """The database, its users, and their end."""

    address: Address
    release: kubernetes.helm.v3.Release
    """Once it is there, so is the database; when it goes, the database is dropped."""

    def __init__(
        self, name: str, args: ExistingDatabaseArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:ExistingDatabase", name, {}, opts)
        stack, self._names = args.stack, args.stack.names
        self._provider = args.cluster.provider
        self.address = Address(args.server.host, tls=True, port=args.server.port)
        association = let_job_read(stack, args.cluster.name, parent=self)
        namespace = kubernetes.core.v1.Namespace(
            self._names.of("existing-database"),
            metadata={"name": existing_server.NAMESPACE, "labels": stack.labels},
            opts=self._child(),
        ).metadata.name
        logins = secret_contents.logins(stack.secrets)
        content = {"password": logins.first, "second-password": logins.second}
        secret = kubernetes.core.v1.Secret(
            self._names.of("existing-database"),
            metadata={
                "name": self._names.database_release,
                "namespace": namespace,
                "labels": stack.labels,
            },
            string_data=pulumi.Output.secret(content),
            opts=self._child(),
        )
        self.release = kubernetes.helm.v3.Release(
            self._names.of("existing-database"),
            name=self._names.database_release,
            namespace=namespace,
            chart="../charts/branch-database",
            # As in airflow.py: a change of the chart's files is a change of the release.
            description=(
                "charts/branch-database "
                f"{content_hash(PROJECT_ROOT / 'charts' / 'branch-database')}"
            ),
            values={
                "labels": stack.labels,
                "image": args.image.ref,
                existing_server.RELEASE_PARAMETER: {
                    "instance": args.server.identifier,
                    "host": args.server.host,
                    "port": args.server.port,
                    "secret": stack.settings.database_admin_secret,
                    "serviceAccount": existing_server.SERVICE_ACCOUNT,
                    "mark": existing_server.mark(stack.settings.environment),
                    "connections": existing_server.CONNECTIONS,
                    # As a disk in the cluster, and the last snapshot of an instance of its own.
                    "keep": stack.settings.protect,
                },
                "database": self._names.database,
                "secondUser": self._names.second_user,
                "passwordSecret": secret.metadata.name,
                "secretsChecksum": stack.checksum(content),
            },
            wait_for_jobs=True,
            timeout=TIMEOUT_SECONDS,
            atomic=False,
            cleanup_on_fail=True,
            # The Job reads the secret by what the association gives it, when it makes and when it drops.
            opts=self._child(association),
        )
        self.register_outputs({})

    def _child(self, *after: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, provider=self._provider, depends_on=[*after])


def let_job_read(
    stack: Stack, cluster_name: pulumi.Input[str], parent: pulumi.Resource
) -> aws.eks.PodIdentityAssociation:
    """The right of the Job's pods to read the one secret."""
    logical, child = stack.names.of("database-admin"), pulumi.ResourceOptions(parent=parent)
    role = aws.iam.Role(
        logical,
        path=stack.names.iam_path,
        assume_role_policy=policies.assumed_by_pods(),
        opts=child,
    )
    allowed = aws.iam.RolePolicy(
        logical,
        role=role.name,
        policy=policies.read_secret(stack.settings.database_admin_secret),
        opts=child,
    )
    return aws.eks.PodIdentityAssociation(
        logical,
        cluster_name=cluster_name,
        namespace=existing_server.NAMESPACE,
        service_account=existing_server.SERVICE_ACCOUNT,
        role_arn=role.arn,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[allowed]),
    )
