"""Secrets Manager: secrets. Those of the kit go at once, for they are worth nothing afterwards. One that somebody else has
made and tagged is found, and is not the kit's to delete: nobody could give its value back."""

import re
from collections.abc import Iterator

from cli.cloud.catalogue.kind import Asked, Item, Kind, monthly, named
from cli.cloud.errors import InUse, unless_gone
from cli.cloud.resource import Resource, Search
from infra.contract.naming import PREFIX, RANCHER_TOKEN

SERVICE = "secretsmanager"

_OURS = re.compile(rf"{PREFIX}-[a-z0-9-]+-{RANCHER_TOKEN}-[0-9a-f]+")
"""With Pulumi's suffix."""


def _secrets(search: Search) -> Iterator[Item]:
    for name in search.tagged_names(SERVICE, "secret:"):
        arn = search.arn(SERVICE, f"secret:{name}")
        found = unless_gone(search.client(SERVICE).describe_secret, SecretId=arn)
        # One that waits for its deletion is as gone as it gets, and free.
        if found and not found.get("DeletedDate"):
            yield Item(arn, arn, search.tagged.get(arn, {}), created=found.get("CreatedDate"))


def _delete(search: Search, resource: Resource) -> None:
    client = search.client(SERVICE)
    if not _OURS.fullmatch(str(client.describe_secret(SecretId=resource.id)["Name"])):
        raise InUse(
            f"{resource.label} is not of this kit",
            "Its value would be lost. Delete it with the tool that made it, or take its tag away.",
            resource.show,
        )
    client.delete_secret(SecretId=resource.id, ForceDeleteWithoutRecovery=True)


def _recover(asked: Asked) -> str | None:
    """Pulumi imports one by its ARN."""
    name = named(SERVICE, "describe_secret", "SecretId")(asked)
    if name is None:
        return None
    return str(asked.client(SERVICE).describe_secret(SecretId=name)["ARN"])


KINDS = (
    Kind(
        service=SERVICE,
        name="secret",
        type="aws:secretsmanager/secret:Secret",
        list=_secrets,
        actions=(f"{SERVICE}:DescribeSecret",),
        delete=_delete,
        show="secretsmanager describe-secret --secret-id {id}",
        price=monthly("secret", "secret"),
        recover=_recover,
    ),
)
