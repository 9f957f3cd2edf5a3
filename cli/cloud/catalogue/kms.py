"""KMS keys. None can be deleted at once: scheduled is as gone as it gets, and free."""

from collections.abc import Iterator

from cli.cloud.catalogue.kind import Asked, Item, Kind, monthly
from cli.cloud.errors import gone_is_fine, unless_gone
from cli.cloud.resource import Resource, Search, everything, pairs

SERVICE = "kms"
DAYS = 7
"""The shortest time that AWS lets somebody change their mind."""

ENDED = ("PendingDeletion", "PendingReplicaDeletion")


def _keys(search: Search) -> Iterator[Item]:
    kms = search.client(SERVICE)
    for name in search.tagged_names(SERVICE, "key/"):
        arn = search.arn(SERVICE, f"key/{name}")
        answer = unless_gone(kms.describe_key, KeyId=arn)
        if answer and answer["KeyMetadata"]["KeyState"] not in ENDED:
            created = answer["KeyMetadata"].get("CreationDate")
            yield Item(name, arn, search.tagged.get(arn, {}), created=created)


def _delete(search: Search, resource: Resource) -> None:
    kms = search.client(SERVICE)
    for alias in everything(kms, "list_aliases", "Aliases", KeyId=resource.id):
        with gone_is_fine():
            kms.delete_alias(AliasName=alias["AliasName"])
    kms.schedule_key_deletion(KeyId=resource.id, PendingWindowInDays=DAYS)


def _recover(asked: Asked) -> str | None:
    kms = asked.client(SERVICE)
    for name in (str(key["KeyId"]) for key in everything(kms, "list_keys", "Keys")):
        if name in asked.known or not asked.tags:
            continue
        about = kms.describe_key(KeyId=name)["KeyMetadata"]
        if about["KeyState"] in ENDED or about["KeyManager"] != "CUSTOMER":
            continue
        if asked.tags.items() <= pairs(kms.list_resource_tags(KeyId=name)["Tags"]).items():
            return name
    return None


KINDS = (
    Kind(
        service=SERVICE,
        name="key",
        type="aws:kms/key:Key",
        list=_keys,
        delete=_delete,
        show="kms describe-key --key-id {id}",
        price=monthly("KMS key", "kms-key"),
        recover=_recover,
    ),
)
