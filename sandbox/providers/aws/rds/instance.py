"""aws:rds/instance:Instance."""

from collections.abc import Set
from types import MappingProxyType
from typing import Any

from sandbox.errors import CloudError
from sandbox.providers import contract
from sandbox.providers.aws.rds.base import RdsResource
from sandbox.providers.aws.resource import Known
from sandbox.providers.aws.tags import to_list, visible
from sandbox.wire.values import Properties

_SECONDS = 2400.0
_FAILED = frozenset({"failed", "incompatible-network", "incompatible-parameters", "storage-full"})

_AT_BIRTH = {
    "dbName": "DBName",
    "engine": "Engine",
    "storageEncrypted": "StorageEncrypted",
    "username": "MasterUsername",
}
_ANY_TIME = {
    "allocatedStorage": "AllocatedStorage",
    "autoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    "backupRetentionPeriod": "BackupRetentionPeriod",
    "copyTagsToSnapshot": "CopyTagsToSnapshot",
    "dbSubnetGroupName": "DBSubnetGroupName",
    "deletionProtection": "DeletionProtection",
    "engineVersion": "EngineVersion",
    "instanceClass": "DBInstanceClass",
    "multiAz": "MultiAZ",
    "password": "MasterUserPassword",
    "publiclyAccessible": "PubliclyAccessible",
    "storageType": "StorageType",
    "vpcSecurityGroupIds": "VpcSecurityGroupIds",
}
# Only this provider's own knowledge; `modify` has other names for the rest.
_OURS = frozenset(
    {
        "allowMajorVersionUpgrade",
        "applyImmediately",
        "deleteAutomatedBackups",
        "finalSnapshotIdentifier",
        "skipFinalSnapshot",
    }
)


class DatabaseInstance(RdsResource):
    """CreateDBInstance, ModifyDBInstance, DescribeDBInstances, DeleteDBInstance.
    Id: RDS's own, which a new name does not change; what is imported is the identifier."""

    TYPE = "aws:rds/instance:Instance"
    REPLACE_ON = frozenset({"identifier", *_AT_BIRTH})
    IN_PLACE = frozenset(_ANY_TIME) | _OURS
    DEFAULTS = MappingProxyType(
        {
            "autoMinorVersionUpgrade": True,
            "copyTagsToSnapshot": False,
            "publiclyAccessible": False,
            "skipFinalSnapshot": False,
        }
    )
    COMPUTED = (
        "address",
        "allocatedStorage",
        "arn",
        "backupRetentionPeriod",
        "dbName",
        "dbSubnetGroupName",
        "deletionProtection",
        "endpoint",
        "engineVersion",
        "engineVersionActual",
        "multiAz",
        "port",
        "resourceId",
        "status",
        "storageEncrypted",
        "storageType",
        "username",
        "vpcSecurityGroupIds",
    )
    NAME = "identifier"
    LONGEST_NAME = 63

    def validate(self, inputs: Properties) -> list[contract.CheckFailure]:
        if inputs.get("skipFinalSnapshot") or inputs.get("finalSnapshotIdentifier"):
            return []
        reason = "Give one, or set skipFinalSnapshot; else it could not be deleted"
        return [contract.CheckFailure("finalSnapshotIdentifier", reason)]

    def create(self, inputs: Properties) -> str:
        names = _AT_BIRTH | _ANY_TIME
        given = {
            name: inputs[key] for key, name in names.items() if inputs.get(key) not in (None, [])
        }
        answer = self.client.create_db_instance(
            DBInstanceIdentifier=inputs["identifier"], Tags=to_list(inputs["tags"]), **given
        )
        return str(answer["DBInstance"]["DbiResourceId"])

    def arn_of(self, resource_id: str) -> str:
        return str(self._get(resource_id)["DBInstanceArn"])

    def _get(self, name: str) -> Any:
        """By its id or its identifier: RDS takes both."""
        return self.client.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]

    def _name_of(self, resource_id: str) -> str:
        return str(self._get(resource_id)["DBInstanceIdentifier"])

    def finish(self, known: Known) -> None:
        def available() -> bool | None:
            status = self._get(known.id)["DBInstanceStatus"]
            if status in _FAILED:
                raise CloudError(f"RDS instance {known.id}: {status}")
            return True if status == "available" else None

        self.aws.wait(f"RDS instance {known.id} becomes available", available, _SECONDS)

    def read(self, known: Known) -> Properties | None:
        item = self._get(known.id)
        if item["DBInstanceStatus"] == "deleting":
            return None
        endpoint = item.get("Endpoint") or {}
        address, port = endpoint.get("Address"), endpoint.get("Port")
        version = item.get("EngineVersion", "")
        wanted = str(known.inputs.get("engineVersion") or "")
        plain = {
            key: item.get(name)
            for key, name in (_AT_BIRTH | _ANY_TIME).items()
            if key not in ("password", "dbSubnetGroupName", "vpcSecurityGroupIds")
        }
        state = {key: value for key, value in plain.items() if value is not None} | {
            "id": item["DbiResourceId"],
            "identifier": item["DBInstanceIdentifier"],
            "arn": item["DBInstanceArn"],
            "address": address,
            "port": port,
            "endpoint": f"{address}:{port}",
            "dbSubnetGroupName": (item.get("DBSubnetGroup") or {}).get("DBSubnetGroupName"),
            "vpcSecurityGroupIds": [
                group["VpcSecurityGroupId"] for group in item.get("VpcSecurityGroups", [])
            ],
            # `15` asks for the newest 15.x; that it is 15.4 is no difference.
            "engineVersion": wanted if _within(version, wanted) else version,
            "engineVersionActual": version,
            "resourceId": item.get("DbiResourceId"),
            "status": item["DBInstanceStatus"],
            "tags": visible(self.all_tags(known.id)),
        }
        if "password" in known.inputs:
            state["password"] = known.inputs["password"]
        return state

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        changed = {name: inputs.get(key) for key, name in _ANY_TIME.items() if key in changes}
        if changed:
            self.client.modify_db_instance(
                DBInstanceIdentifier=self._name_of(known.id),
                ApplyImmediately=bool(inputs.get("applyImmediately")),
                AllowMajorVersionUpgrade=bool(inputs.get("allowMajorVersionUpgrade")),
                **{name: value for name, value in changed.items() if value is not None},
            )

    def delete(self, known: Known) -> None:
        final = known.get("finalSnapshotIdentifier")
        snapshot = (
            {"SkipFinalSnapshot": True}
            if known.get("skipFinalSnapshot") or not final
            else {"SkipFinalSnapshot": False, "FinalDBSnapshotIdentifier": final}
        )
        self.client.delete_db_instance(
            DBInstanceIdentifier=self._name_of(known.id),
            DeleteAutomatedBackups=known.get("deleteAutomatedBackups", True),
            **snapshot,
        )
        self.wait_gone(f"RDS instance {known.id} is deleted", lambda: self._get(known.id), _SECONDS)


def _within(version: str, wanted: str) -> bool:
    return bool(wanted) and (version == wanted or version.startswith(f"{wanted}."))
