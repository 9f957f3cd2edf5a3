"""getInstance of RDS."""

from sandbox.errors import CloudError, Unsupported
from sandbox.providers.aws.clients import Aws
from sandbox.providers.aws.tags import from_list
from sandbox.wire.values import Properties


def get_instance(aws: Aws, arguments: Properties) -> Properties:
    """DescribeDBInstances by identifier."""
    unknown = sorted(
        key
        for key, value in arguments.items()
        if value and key not in ("dbInstanceIdentifier", "region")
    )
    name = arguments.get("dbInstanceIdentifier")
    if unknown or not name:
        raise Unsupported(
            "The sandbox's aws provider looks for aws:rds/getInstance:getInstance by its identifier only",
            f"Asked for by: {', '.join(unknown) or 'nothing'}.",
        )
    found = aws.client("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    if len(found) != 1:
        raise CloudError(f"{len(found)} of one RDS instance match", f"Asked for: {arguments}")
    (item,) = found
    endpoint = item.get("Endpoint") or {}
    address, port = endpoint.get("Address", ""), endpoint.get("Port", 0)
    return arguments | {
        "id": item["DBInstanceIdentifier"],
        "region": aws.region,
        "dbInstanceIdentifier": item["DBInstanceIdentifier"],
        "dbInstanceArn": item["DBInstanceArn"],
        "dbInstanceClass": item["DBInstanceClass"],
        "address": address,
        "port": port,
        "endpoint": f"{address}:{port}",
        "engine": item["Engine"],
        "engineVersion": item.get("EngineVersion", ""),
        "allocatedStorage": item.get("AllocatedStorage", 0),
        "multiAz": bool(item.get("MultiAZ")),
        "publiclyAccessible": bool(item.get("PubliclyAccessible")),
        "storageEncrypted": bool(item.get("StorageEncrypted")),
        "vpcSecurityGroups": [
            one["VpcSecurityGroupId"] for one in item.get("VpcSecurityGroups", ())
        ],
        "tags": from_list(item.get("TagList")),
    }
