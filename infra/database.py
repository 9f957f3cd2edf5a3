"""Airflow's database on Amazon RDS: backed up, encrypted, and gone with the stack only if nobody minds.

Made only with `database: rds`; otherwise PostgreSQL runs in the cluster (charts/airflow).
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.address import PORT, Address
from infra.contract import secret_contents
from infra.network import Network
from infra.stack import Stack

ENGINE_VERSION = "17"
"""PostgreSQL's major version, with fixes until November 2029; RDS chooses and keeps up the minor one."""

BACKUP_DAYS = 7
"""How far back the database can be restored to a point in time."""


@dataclass(frozen=True)
class DatabaseArgs:
    """The stack says how large, the network where."""

    stack: Stack
    network: Network


class Database(pulumi.ComponentResource):
    """A PostgreSQL instance in the private subnets."""

    address: Address

    def __init__(
        self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:Database", name, {}, opts)
        settings, logical = args.stack.settings, args.stack.names.of("database")
        child = pulumi.ResourceOptions(parent=self)
        subnets = aws.rds.SubnetGroup(
            logical, subnet_ids=args.network.private_subnet_ids, opts=child
        )
        instance = aws.rds.Instance(
            logical,
            engine="postgres",
            engine_version=ENGINE_VERSION,
            auto_minor_version_upgrade=True,
            instance_class=settings.database_instance_class,
            allocated_storage=settings.database_storage_gb,
            storage_type="gp3",
            storage_encrypted=True,
            db_name=args.stack.names.database,
            username=args.stack.names.database,
            # The first user's, which is not always the one by whom Airflow logs in (ADR 33).
            password=pulumi.Output.secret(secret_contents.logins(args.stack.secrets).of_rds),
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=[self._firewall(args).id],
            publicly_accessible=False,
            # A second copy in the other zone doubles the price; what is worth protecting is worth it.
            multi_az=settings.protect,
            backup_retention_period=BACKUP_DAYS,
            copy_tags_to_snapshot=True,
            deletion_protection=settings.protect,
            skip_final_snapshot=not settings.protect,
            final_snapshot_identifier=f"{logical}-final" if settings.protect else None,
            # Otherwise a changed password waits for the next maintenance window, and Airflow with it.
            apply_immediately=True,
            opts=child,
        )
        self.address = Address(instance.address, tls=True)
        self.register_outputs({"host": instance.address})

    def _firewall(self, args: DatabaseArgs) -> aws.ec2.SecurityGroup:
        """Pods have addresses of the private subnets; nobody else gets through."""
        logical, child = args.stack.names.of("database"), pulumi.ResourceOptions(parent=self)
        group = aws.ec2.SecurityGroup(
            logical,
            vpc_id=args.network.vpc_id,
            description="Airflow's database",
            tags={"Name": logical},
            opts=child,
        )
        aws.ec2.SecurityGroupRule(
            logical,
            security_group_id=group.id,
            type="ingress",
            protocol="tcp",
            from_port=PORT,
            to_port=PORT,
            cidr_blocks=list(args.network.private_cidrs),
            description="Airflow",
            opts=child,
        )
        return group
