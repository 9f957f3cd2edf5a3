"""What the monitor answers, and what it passes on to component providers: messages, built field by field.

The other direction, from messages to the engine's own types, is `marshal`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.engine.applying.deployment import Registered
from sandbox.wire.marshal import UNKNOWN_STRING, Keep, to_struct
from sandbox.wire.protos import provider_pb2, resource_pb2
from sandbox.wire.values import Properties

FEATURES = {
    "secrets": "SECRETS",
    "resourceReferences": "RESOURCE_REFERENCES",
    "outputValues": "OUTPUT_VALUES",
    "aliasSpecs": "ALIAS_SPECS",
    "replacementTrigger": "REPLACEMENT_TRIGGER",
    "deletedWith": "DELETED_WITH",
    "replaceWith": "REPLACE_WITH",
    "transforms": "TRANSFORMS",
    "invokeTransforms": "INVOKE_TRANSFORMS",
    "parameterization": "PARAMETERIZATION",
    "resourceHooks": "RESOURCE_HOOKS",
    "errorHooks": "ERROR_HOOKS",
    "invokeDependsOn": "INVOKE_DEPENDS_ON",
}
"""Named to the SDK. Of some we only say by name that they are refused: an SDK that does not
find a feature tells its user to update the Pulumi CLI."""


@dataclass(frozen=True, slots=True)
class ProgramInfo:
    """What the program and component providers are told about the run."""

    project: str
    stack: str
    organization: str
    dry_run: bool
    parallel: int
    config: Mapping[str, str]
    secret_keys: tuple[str, ...]
    monitor_address: str = ""
    root: str = ""
    """Where Pulumi.yaml lies: positions in the program are told from there."""

    versions: Mapping[str, str] = field(default_factory=dict)
    """Of each package's provider, where a registration names none."""


def _of_run(info: ProgramInfo) -> dict[str, Any]:
    """What every message about a run says of it, in the fields that they all have."""
    return {
        "project": info.project,
        "stack": info.stack,
        "organization": info.organization,
        "config": info.config,
        "configSecretKeys": info.secret_keys,
        "dryRun": info.dry_run,
        "parallel": info.parallel,
    }


def deployment_info(info: ProgramInfo) -> resource_pb2.DeploymentInfo:
    prefix = "RESOURCE_MONITOR_FEATURE_"
    return resource_pb2.DeploymentInfo(
        **_of_run(info),
        supportedFeatures=[
            resource_pb2.ResourceMonitorFeature.Value(prefix + name) for name in FEATURES.values()
        ],
    )


def registered(
    answer: Registered, request: resource_pb2.RegisterResourceRequest
) -> resource_pb2.RegisterResourceResponse:
    state = answer.state
    outputs = state.outputs if state.custom else state.inputs
    unknown_id = answer.unknown or state.id == UNKNOWN_STRING
    return resource_pb2.RegisterResourceResponse(
        urn=state.urn,
        id="" if unknown_id else state.id,
        object=to_struct(outputs, Keep(request.acceptSecrets, request.acceptResources)),
        unknown=answer.unknown,
    )


def construct_request(
    request: resource_pb2.RegisterResourceRequest, info: ProgramInfo
) -> provider_pb2.ConstructRequest:
    """A remote component, for the provider that makes it."""
    return provider_pb2.ConstructRequest(
        **_of_run(info),
        monitorEndpoint=info.monitor_address,
        type=request.type,
        name=request.name,
        parent=request.parent,
        inputs=request.object,
        inputDependencies={
            key: provider_pb2.ConstructRequest.PropertyDependencies(urns=value.urns)
            for key, value in request.propertyDependencies.items()
        },
        providers=dict(request.providers),
        dependencies=request.dependencies,
        aliases=request.aliases,
        protect=request.protect,
        additionalSecretOutputs=request.additionalSecretOutputs,
        deletedWith=request.deletedWith,
        deleteBeforeReplace=request.deleteBeforeReplace,
        ignoreChanges=request.ignoreChanges,
        replaceOnChanges=request.replaceOnChanges,
        retainOnDelete=request.retainOnDelete,
        accepts_output_values=True,
    )


def constructed(response: provider_pb2.ConstructResponse) -> resource_pb2.RegisterResourceResponse:
    return resource_pb2.RegisterResourceResponse(
        urn=response.urn,
        object=response.state,
        propertyDependencies={
            key: resource_pb2.RegisterResourceResponse.PropertyDependencies(urns=value.urns)
            for key, value in response.stateDependencies.items()
        },
    )


def call_request(
    request: resource_pb2.ResourceCallRequest, info: ProgramInfo
) -> provider_pb2.CallRequest:
    """A component's method, for the provider that has it."""
    return provider_pb2.CallRequest(
        tok=request.tok,
        args=request.args,
        argDependencies={
            key: provider_pb2.CallRequest.ArgumentDependencies(urns=value.urns)
            for key, value in request.argDependencies.items()
        },
        **_of_run(info),
        monitorEndpoint=info.monitor_address,
        accepts_output_values=True,
    )


def invoke_response(
    result: Properties,
    request: resource_pb2.ResourceInvokeRequest,
    failures: Sequence[tuple[str, str]] = (),
) -> resource_pb2.ResourceInvokeResponse:
    response = resource_pb2.ResourceInvokeResponse(
        failures=[
            provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in failures
        ]
    )
    # The field is called `return`, which Python can not write as an attribute.
    struct = to_struct(result, Keep(resources=request.acceptResources))
    getattr(response, "return").CopyFrom(struct)
    return response
