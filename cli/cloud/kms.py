"""KMS keys. None can be deleted at once: scheduled is as gone as it gets, and free."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from cli.cloud.errors import gone_is_fine, is_gone
from cli.cloud.resource import Resource, Search, everything, moment

SERVICE = "kms"
DAYS = 7
"""The shortest time that AWS lets somebody change their mind."""


def find(search: Search) -> Iterator[Resource]:
    kms = search.client(SERVICE)
    for arn, tags in search.tagged.items():
        environment = search.whose(tags) if arn.split(":")[2] == SERVICE else None
        if environment is None:
            continue
        try:
            key = kms.describe_key(KeyId=arn)["KeyMetadata"]
        except ClientError as error:
            if is_gone(error):
                continue
            raise
        if key["KeyState"] not in ("PendingDeletion", "PendingReplicaDeletion"):
            name = arn.rpartition("/")[2]
            yield Resource(
                service=SERVICE,
                kind="key",
                id=name,
                arn=arn,
                environment=environment,
                show=search.command(f"kms describe-key --key-id {name}"),
                tags=tags,
                created=moment(key.get("CreationDate")),
            )


def delete(search: Search, resource: Resource) -> None:
    kms = search.client(SERVICE)
    for alias in everything(kms, "list_aliases", "Aliases", KeyId=resource.id):
        with gone_is_fine():
            kms.delete_alias(AliasName=alias["AliasName"])
    kms.schedule_key_deletion(KeyId=resource.id, PendingWindowInDays=DAYS)
