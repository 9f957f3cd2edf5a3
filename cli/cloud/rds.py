"""RDS: databases, their snapshots and subnet groups."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cli.cloud.errors import unless_gone
from cli.cloud.resource import Resource, Search, everything, moment, pairs

SERVICE = "rds"


@dataclass(frozen=True)
class Kind:
    """How one kind of RDS resource is listed."""

    name: str
    operation: str
    result: str
    identifier: str
    arn: str
    option: str


KINDS = (
    Kind(
        "db",
        "describe_db_instances",
        "DBInstances",
        "DBInstanceIdentifier",
        "DBInstanceArn",
        "--db-instance-identifier",
    ),
    Kind(
        "snapshot",
        "describe_db_snapshots",
        "DBSnapshots",
        "DBSnapshotIdentifier",
        "DBSnapshotArn",
        "--db-snapshot-identifier",
    ),
    Kind(
        "subnet-group",
        "describe_db_subnet_groups",
        "DBSubnetGroups",
        "DBSubnetGroupName",
        "DBSubnetGroupArn",
        "--db-subnet-group-name",
    ),
)


def find(search: Search) -> Iterator[Resource]:
    rds = search.client(SERVICE)
    for kind in KINDS:
        for item in everything(rds, kind.operation, kind.result):
            if item.get("SnapshotType") == "automated":
                # Goes with its database.
                continue
            arn = str(item[kind.arn])
            tags = _tags(search, item, arn)
            environment = search.whose(tags)
            if environment is None:
                continue
            name = str(item[kind.identifier])
            command = kind.operation.replace("_", "-")
            yield Resource(
                service=SERVICE,
                kind=kind.name,
                id=name,
                arn=arn,
                environment=environment,
                show=search.command(f"rds {command} {kind.option} {name}"),
                tags=tags,
                created=moment(item.get("InstanceCreateTime") or item.get("SnapshotCreateTime")),
                facts={
                    "class": item.get("DBInstanceClass"),
                    "storage": item.get("AllocatedStorage"),
                    "two zones": item.get("MultiAZ"),
                    "protected": item.get("DeletionProtection"),
                    "ending": item.get("DBInstanceStatus") == "deleting",
                },
            )


def _tags(search: Search, item: Mapping[str, Any], arn: str) -> dict[str, str]:
    if "TagList" in item:
        return pairs(item["TagList"])
    # It may go after it was listed.
    answer = unless_gone(search.client(SERVICE).list_tags_for_resource, ResourceName=arn)
    return pairs(answer["TagList"]) if answer else {}


def delete(search: Search, resource: Resource) -> None:
    rds = search.client(SERVICE)
    match resource.kind:
        case "snapshot":
            rds.delete_db_snapshot(DBSnapshotIdentifier=resource.id)
        case "subnet-group":
            rds.delete_db_subnet_group(DBSubnetGroupName=resource.id)
        case _ if not resource.ending:
            if resource.facts.get("protected"):
                release(rds, resource.id)
            rds.delete_db_instance(
                DBInstanceIdentifier=resource.id,
                SkipFinalSnapshot=True,
                DeleteAutomatedBackups=True,
            )


def release(rds: Any, database: str) -> None:
    """Takes the protection off a database."""
    rds.modify_db_instance(
        DBInstanceIdentifier=database, DeletionProtection=False, ApplyImmediately=True
    )
