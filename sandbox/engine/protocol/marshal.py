"""Between the monitor's messages and the engine's own types: what is not one to one.

Values are turned by `sandbox.wire.marshal`; here are registrations and their options.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from google.protobuf import struct_pb2

from sandbox.engine.model import urn as urns
from sandbox.engine.model.resource import Goal, Options, Timeouts
from sandbox.engine.planning.aliases import AliasSpec, expand
from sandbox.errors import Unsupported, UserError
from sandbox.wire.marshal import from_struct
from sandbox.wire.protos import resource_pb2
from sandbox.wire.values import Output, Properties, Secret, walk

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s|us|ns)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def properties(struct: struct_pb2.Struct) -> Properties:
    """Inputs without output values: what these say beside the value travels elsewhere."""
    return {key: _without_outputs(value) for key, value in from_struct(struct).items()}


def _without_outputs(value: Any) -> Any:
    match value:
        case dict():
            return {key: _without_outputs(inner) for key, inner in value.items()}
        case list():
            return [_without_outputs(inner) for inner in value]
        case Output():
            inner = _without_outputs(value.value)
            return Secret(inner) if value.secret and not isinstance(inner, Secret) else inner
        case Secret():
            return Secret(_without_outputs(value.value))
    return value


def goal(
    request: resource_pb2.RegisterResourceRequest,
    urn: str,
    provider: str,
    former_urns: Mapping[str, str],
    root: str,
) -> Goal:
    """What a registration asks for."""
    dependencies = {key: sorted(v.urns) for key, v in request.propertyDependencies.items()}
    inputs = from_struct(request.object)
    for key, value in inputs.items():
        inner = {
            urn for node in walk(value) if isinstance(node, Output) for urn in node.dependencies
        }
        if inner:
            dependencies[key] = sorted(inner.union(dependencies.get(key, ())))
    wanted = set(request.dependencies).union(*dependencies.values())
    return Goal(
        urn=urn,
        type=request.type,
        name=request.name,
        custom=request.custom,
        inputs={key: _without_outputs(value) for key, value in inputs.items()},
        parent=request.parent,
        provider=provider,
        # The order in which the SDK sends them is random.
        dependencies=tuple(sorted(wanted - {urn})),
        property_dependencies={k: tuple(v) for k, v in sorted(dependencies.items())},
        options=options(request),
        aliases=expand(urn, request.parent, alias_specs(request), former_urns),
        import_id=request.importId,
        delete_before_replace=(
            request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None
        ),
        replace_with=tuple(request.replace_with),
        source_position=position(request.sourcePosition, root),
    )


def read_goal(
    request: resource_pb2.ReadResourceRequest, urn: str, provider: str, root: str
) -> Goal:
    """A `get`, in the form of a registration."""
    return Goal(
        urn=urn,
        type=request.type,
        name=request.name,
        custom=True,
        inputs=properties(request.properties),
        parent=request.parent,
        provider=provider,
        dependencies=tuple(sorted(request.dependencies)),
        options=Options(additional_secret_outputs=tuple(sorted(request.additionalSecretOutputs))),
        source_position=position(request.sourcePosition, root),
    )


def options(request: resource_pb2.RegisterResourceRequest) -> Options:
    return Options(
        protect=request.protect,
        retain_on_delete=request.retainOnDelete,
        deleted_with=request.deletedWith,
        ignore_changes=tuple(request.ignoreChanges),
        replace_on_changes=tuple(request.replaceOnChanges),
        additional_secret_outputs=tuple(sorted(request.additionalSecretOutputs)),
        timeouts=Timeouts(
            seconds(request.customTimeouts.create),
            seconds(request.customTimeouts.update),
            seconds(request.customTimeouts.delete),
        ),
    )


def alias_specs(
    request: resource_pb2.RegisterResourceRequest,
) -> Iterable[AliasSpec | str]:
    yield from request.aliasURNs
    for alias in request.aliases:
        if alias.WhichOneof("alias") == "urn":
            yield alias.urn
            continue
        spec = alias.spec
        yield AliasSpec(
            spec.name, spec.type, spec.stack, spec.project, spec.parentUrn, spec.noParent
        )


def position(source: Any, root: str) -> str:
    """Where in the program a resource is made, as Pulumi stores it: from the project's folder
    on, so that it is the same in every checkout. Elsewhere (a library) it says nothing."""
    place = _place(source.uri, root)
    return f"{place}#{source.line}" if place and source.line else place


@lru_cache(maxsize=1024)
def _place(uri: str, root: str) -> str:
    """Resources are many, the files that make them few."""
    path = unquote(urlsplit(uri).path)
    if not path or not Path(path).is_relative_to(root):
        return ""
    return f"project:///{quote(str(Path(path).relative_to(root)))}"


def seconds(duration: str) -> float:
    """A duration as Go writes it (`1h30m`), 0 if there is none."""
    if not duration:
        return 0.0
    parts = _DURATION.findall(duration)
    if "".join(number + unit for number, unit in parts) != duration:
        raise UserError(f"{duration!r} is no duration", "Write it like 90s, 10m or 1h30m.")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def refuse_unsupported(request: resource_pb2.RegisterResourceRequest) -> None:
    """Name what this engine does not do, before anything is changed."""
    what = ""
    if any(getattr(request.hooks, field.name) for field in request.hooks.DESCRIPTOR.fields):
        what = "resource hooks"
    elif request.HasField("replacement_trigger"):
        what = "replacement_trigger"
    elif request.state_migrations:
        what = "state migrations"
    elif request.envVarMappings:
        what = "env_var_mappings"
    elif request.packageRef:
        what = "parameterized packages"
    elif urns.package_of(request.type) == "pulumi-python":
        what = "dynamic providers"
    if what:
        raise Unsupported(
            f"The embedded engine does not support {what}",
            f"{request.type} {request.name} uses it.",
        )
