"""aws:iam/openIdConnectProvider:OpenIdConnectProvider."""

from collections.abc import Mapping, Set
from types import MappingProxyType
from typing import Any

from sandbox.providers.aws.iam.base import TaggedIamResource
from sandbox.providers.aws.resource import Known
from sandbox.providers.aws.tags import to_list
from sandbox.wire.values import Properties, Value


class OpenIdConnectProvider(TaggedIamResource):
    """CreateOpenIDConnectProvider, {Add,Remove}ClientID{To,From}OpenIDConnectProvider,
    UpdateOpenIDConnectProviderThumbprint, GetOpenIDConnectProvider,
    DeleteOpenIDConnectProvider. Id: the ARN."""

    TYPE = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
    REPLACE_ON = frozenset({"url"})
    IN_PLACE = frozenset({"clientIdLists", "thumbprintLists"})
    COMPUTED = ("arn", "thumbprintLists")
    FIELDS = MappingProxyType(
        {"clientIdLists": "ClientIDList", "thumbprintLists": "ThumbprintList"}
    )
    TAG = ("tag_open_id_connect_provider", "untag_open_id_connect_provider")
    KEY = "OpenIDConnectProviderArn"

    def get(self, resource_id: str) -> Any:
        return self.client.get_open_id_connect_provider(OpenIDConnectProviderArn=resource_id)

    def create(self, inputs: Properties) -> str:
        url = inputs["url"]
        answer = self.client.create_open_id_connect_provider(
            Url=url if "://" in url else f"https://{url}",
            ClientIDList=inputs["clientIdLists"],
            ThumbprintList=inputs.get("thumbprintLists") or [],
            Tags=to_list(inputs["tags"]),
        )
        return str(answer["OpenIDConnectProviderArn"])

    def derive(self, inputs: Properties) -> Properties:
        return {"arn": self._arn(inputs["url"])}

    def _arn(self, url: str) -> str:
        return self.global_arn(f"oidc-provider/{url.removeprefix('https://')}")

    def details(self, item: Mapping[str, Any]) -> Properties:
        return {"arn": self._arn(item["Url"]), "url": item["Url"].removeprefix("https://")}

    def same(self, key: str, one: Value, other: Value) -> bool:
        if key == "url" and isinstance(one, str) and isinstance(other, str):
            return one.removeprefix("https://") == other.removeprefix("https://")
        return super().same(key, one, other)

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        arn = {"OpenIDConnectProviderArn": known.id}
        if "thumbprintLists" in changes and inputs.get("thumbprintLists"):
            self.client.update_open_id_connect_provider_thumbprint(
                **arn, ThumbprintList=inputs["thumbprintLists"]
            )
        if "clientIdLists" in changes:
            old, new = set(known.inputs["clientIdLists"]), set(inputs["clientIdLists"])
            for client in sorted(new - old):
                self.client.add_client_id_to_open_id_connect_provider(**arn, ClientID=client)
            for client in sorted(old - new):
                self.client.remove_client_id_from_open_id_connect_provider(**arn, ClientID=client)

    def delete(self, known: Known) -> None:
        self.client.delete_open_id_connect_provider(OpenIDConnectProviderArn=known.id)
