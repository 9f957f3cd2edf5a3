"""The base of IAM's resources: the service, tags by owner, and policies as they come back."""

import json
from collections.abc import Collection, Mapping
from typing import Any, ClassVar
from urllib.parse import unquote

from sandbox.providers.aws.resource import Known, Resource
from sandbox.providers.aws.tags import from_list, to_list
from sandbox.wire.values import Properties


class IamResource(Resource):
    """IAM is global: its ARNs have no region, and most of its ids are names."""

    SERVICE = "iam"

    def global_arn(self, resource: str) -> str:
        return f"arn:{self.aws.partition}:iam::{self.aws.account_id}:{resource}"


class TaggedIamResource(IamResource):
    """Names as data the calls that get it and tag it."""

    GET: ClassVar[tuple[str, str]]
    """The client's method, and the key of the item in its answer."""
    TAG: ClassVar[tuple[str, str]]
    """The client's methods that tag and untag."""
    KEY: ClassVar[str]
    """The parameter of those methods that takes the id."""

    def get(self, resource_id: str) -> Any:
        method, item = self.GET
        answer = getattr(self.client, method)(**{self.KEY: resource_id})
        return answer[item]

    def retag(self, known: Known, add: Mapping[str, str], remove: Collection[str]) -> None:
        tag, untag = self.TAG
        if add:
            getattr(self.client, tag)(**{self.KEY: known.id}, Tags=to_list(add))
        if remove:
            getattr(self.client, untag)(**{self.KEY: known.id}, TagKeys=list(remove))

    def read(self, known: Known) -> Properties | None:
        item = self.get(known.id)
        tags = {"tags": from_list(item.get("Tags"))}
        return tags | self.described(item) | self.details(item)

    def details(self, item: Mapping[str, Any]) -> Properties:
        """The part of the state that has another form than IAM gives it."""
        return {}


def document(value: Any) -> str:
    """A policy document as text: IAM sends it URL-encoded, the SDK sometimes as a dict."""
    return json.dumps(value) if isinstance(value, dict) else unquote(str(value))
