"""The aws provider: finds the resource type or function by its token and asks that.

Sits between `sandbox.providers.server` (the protocol) and `resource.py` (one AWS thing).
"""

from collections.abc import Mapping
from typing import Any

from sandbox.errors import Unsupported, UserError
from sandbox.providers import contract
from sandbox.providers.aws.clients import Aws
from sandbox.providers.aws.refusals import translated
from sandbox.providers.aws.registry import functions, resources
from sandbox.providers.aws.resource import Known, Resource
from sandbox.providers.aws.retries import Patience
from sandbox.wire.values import Properties

_DEFAULT_REGION = "us-east-1"


class AwsProvider(contract.Provider):
    """pulumi-aws, as far as the kit needs it, on the sandbox's emulator."""

    package = "aws"
    version = "7.51.1"
    text_properties = frozenset({"accessKey", "secretKey", "token", "profile", "region"})

    def __init__(self, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._aws: Aws | None = None
        self._default_tags: Mapping[str, str] = {}
        self._resources: dict[str, Resource] = {}

    def configure(self, request: contract.ConfigureRequest) -> None:
        """Take the region and the default tags; credentials and endpoint are the environment's."""
        for key in ("accessKey", "secretKey", "profile", "assumeRoles", "endpoints"):
            if request.inputs.get(key):
                raise Unsupported(
                    f"The sandbox's aws provider does not support the setting {key}",
                    "Credentials and endpoint come from the environment.",
                )
        region = request.inputs.get("region") or _DEFAULT_REGION
        self._aws = Aws.from_environment(region, self._patience)
        tags: Any = request.inputs.get("defaultTags") or {}
        self._default_tags = tags.get("tags") or {}
        self._resources = {token: cls(self._aws) for token, cls in resources().items()}

    def check(self, request: contract.CheckRequest) -> contract.CheckResult:
        return self._resource(request.type).check(request, self._default_tags)

    def diff(self, request: contract.DiffRequest) -> contract.DiffResult:
        return self._resource(request.type).diff(request)

    def create(self, request: contract.CreateRequest) -> contract.CreateResult:
        resource = self._resource(request.type)
        with translated(request.urn, "create"):
            return resource.make(request)

    def read(self, request: contract.ReadRequest) -> contract.ReadResult | None:
        resource = self._resource(request.type)
        with translated(request.urn, "read"):
            return resource.look(Known(request.id, request.inputs, request.outputs))

    def update(self, request: contract.UpdateRequest) -> Properties:
        resource = self._resource(request.type)
        with translated(request.urn, "update"):
            return resource.change(request)

    def delete(self, request: contract.DeleteRequest) -> None:
        resource = self._resource(request.type)
        with translated(request.urn, "delete"):
            resource.remove(Known(request.id, request.inputs, request.outputs))

    def invoke(self, request: contract.InvokeRequest) -> Properties:
        function = functions().get(request.token)
        if function is None:
            raise self._refuse("function", request.token)
        with translated("", request.token):
            return function(self._ready(), request.arguments)

    def cancel(self) -> None:
        if self._aws is not None:
            self._aws.cancelled.set()

    def _ready(self) -> Aws:
        if self._aws is None:
            raise UserError("The aws provider was asked before it was configured")
        return self._aws

    def _resource(self, token: str) -> Resource:
        self._ready()
        resource = self._resources.get(token)
        if resource is None:
            raise self._refuse("resource type", token)
        return resource
