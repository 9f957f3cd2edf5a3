"""RDS: databases, their snapshots and subnet groups."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from botocore import xform_name

from cli.cloud.catalogue.kind import (
    IN_TWO_ZONES,
    MONTH,
    Charge,
    Deleter,
    Facts,
    Item,
    Kind,
    Pricer,
    call,
    free,
    named,
)
from cli.cloud.errors import unless_gone
from cli.cloud.resource import Resource, Search, everything, pairs

SERVICE = "rds"


def _kind(  # noqa: PLR0913 - what differs between RDS's kinds
    name: str,
    noun: str,
    type_: str = "",
    *,
    identifier: str = "",
    arn: str | None = None,
    key: str = "name",
    delete: Deleter | None = None,
    price: Pricer = free,
    waiter: str = "",
) -> Kind:
    """A row. RDS's words follow from one noun: DBSnapshot, DBSnapshotIdentifier, DescribeDBSnapshots."""
    identifier = identifier or f"{noun}Identifier"
    operation = f"describe_{xform_name(f'{noun}s')}"

    def listed(search: Search) -> Iterator[Item]:
        for item in everything(search.client(SERVICE), operation, f"{noun}s"):
            if item.get("SnapshotType") == "automated":
                # Goes with its database.
                continue
            yield Item(
                str(item[identifier]),
                str(item[f"{noun}Arn"]),
                _tags(search, item, str(item[f"{noun}Arn"])),
                created=item.get("InstanceCreateTime") or item.get("SnapshotCreateTime"),
                facts={
                    "instanceClass": item.get("DBInstanceClass"),
                    "allocatedStorage": item.get("AllocatedStorage"),
                    "multiAz": item.get("MultiAZ"),
                    "protected": item.get("DeletionProtection"),
                },
                ending=item.get("DBInstanceStatus") == "deleting",
            )

    return Kind(
        service=SERVICE,
        name=name,
        type=type_,
        arn=arn,
        list=listed,
        actions=(f"{SERVICE}:Describe{noun}s",),
        delete=delete or call(SERVICE, f"delete_{xform_name(noun)}", identifier),
        show=f"rds {operation.replace('_', '-')} --{xform_name(identifier, '-')} {{id}}",
        price=price,
        recover=named(SERVICE, operation, identifier, key) if type_ else None,
        ready=(waiter, lambda id: {identifier: id}) if waiter else None,
    )


def _tags(search: Search, item: Mapping[str, Any], arn: str) -> dict[str, str]:
    if "TagList" in item:
        return pairs(item["TagList"])
    # It may go after it was listed.
    answer = unless_gone(search.client(SERVICE).list_tags_for_resource, ResourceName=arn)
    return pairs(answer["TagList"]) if answer else {}


def _delete_database(search: Search, resource: Resource) -> None:
    rds = search.client(SERVICE)
    if resource.ending:
        return
    if resource.facts.get("protected"):
        release(rds, resource.id)
    rds.delete_db_instance(
        DBInstanceIdentifier=resource.id, SkipFinalSnapshot=True, DeleteAutomatedBackups=True
    )


def release(rds: Any, database: str) -> None:
    """Takes the protection off a database."""
    rds.modify_db_instance(
        DBInstanceIdentifier=database, DeletionProtection=False, ApplyImmediately=True
    )


def _price(facts: Facts) -> Iterable[Charge]:
    kind, zones = str(facts.get("instanceClass", "")), 2 if facts.get("multiAz") else 1
    rate = kind + IN_TWO_ZONES if zones == 2 else kind
    detail = f"{kind}, {zones} zone{'s' if zones == 2 else ''}"
    yield Charge("RDS instance", (rate,), detail=detail)
    size = int(facts.get("allocatedStorage") or 0)
    yield Charge("RDS storage", ("rds-gp3",), zones * size, MONTH, f"{zones} x {size} GB gp3")


KINDS = (
    _kind(
        "db",
        "DBInstance",
        "aws:rds/instance:Instance",
        key="identifier",
        delete=_delete_database,
        price=_price,
        waiter="db_instance_available",
    ),
    _kind(
        "snapshot",
        "DBSnapshot",
        price=lambda facts: [Charge("snapshots", ("rds-snapshot",), per="GB-month")],
    ),
    _kind(
        "subnet-group",
        "DBSubnetGroup",
        "aws:rds/subnetGroup:SubnetGroup",
        identifier="DBSubnetGroupName",
        arn="subgrp",
    ),
)
