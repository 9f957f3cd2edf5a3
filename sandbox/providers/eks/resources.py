"""The building blocks of components: children of the aws provider, and resources of others."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.resource import DependencyResource
from pulumi.runtime import invoke_output
from pulumi.runtime.rpc import ResourceModule, register_resource_module

from sandbox.errors import Unsupported, UserError

AWS_VERSION = "7.25.0"
"""The version of the aws provider that pulumi-eks 4.4.0 brings."""


@dataclass(frozen=True)
class Request:
    """The request to construct a component. Inputs that were left out or are null are absent."""

    name: str
    inputs: Mapping[str, Any]
    options: pulumi.ResourceOptions

    def refuse_others(self, type_: str, supported: Collection[str]) -> None:
        """Before anything is registered: an option that the component does not know."""
        for key in self.inputs.keys() - supported:
            raise Unsupported(
                f"The sandbox's {type_} does not know the option {key}",
                f"It was given by {self.name}. Supported are {', '.join(sorted(supported))}.",
            )

    def require(self, key: str) -> Any:
        if key not in self.inputs:
            raise UserError(f"Missing required property '{key}'")
        return self.inputs[key]

    def only(self, *keys: str) -> dict[str, Any]:
        """Those of the inputs that were given."""
        return {key: self.inputs[key] for key in keys if key in self.inputs}

    def flag(self, key: str) -> bool:
        """A switch that decides what is registered: it must be known beforehand."""
        value = self.inputs.get(key, False)
        if not isinstance(value, bool):
            raise UserError(f"'{key}' must be true or false, and known before `up`")
        return value

    def component(
        self, type_: str, *, parent: pulumi.Resource | None = None
    ) -> pulumi.ComponentResource:
        """The component itself. Its inputs are not kept, as with the real provider."""
        options = pulumi.ResourceOptions.merge(self.options, pulumi.ResourceOptions(parent=parent))
        return pulumi.ComponentResource(type_, self.name, {}, options)


class AwsResource(pulumi.CustomResource):
    """A resource of the aws provider."""

    def __init__(
        self,
        type_: str,
        name: str,
        inputs: Mapping[str, Any],
        parent: pulumi.Resource,
        *,
        outputs: Iterable[str] = (),
        depends_on: Any = None,
        ignore_changes: list[str] | None = None,
    ) -> None:
        """`outputs` are those that somebody reads."""
        options = pulumi.ResourceOptions(
            parent=parent,
            depends_on=depends_on,
            ignore_changes=ignore_changes,
            version=AWS_VERSION,
        )
        super().__init__(type_, name, {**dict.fromkeys(outputs), **inputs}, options)

    def __getitem__(self, key: str) -> pulumi.Output[Any]:
        return output(self, key)


def output(resource: pulumi.Resource, key: str) -> pulumi.Output[Any]:
    """An output of a resource that has no typed class."""
    found: pulumi.Output[Any] = resource.__dict__[key]
    return found


def aws(function: str, arguments: pulumi.Inputs, parent: pulumi.Resource) -> pulumi.Output[Any]:
    """The result of one of the aws provider's functions; unknown while an argument is."""
    options = pulumi.InvokeOutputOptions(parent=parent, version=AWS_VERSION)
    return invoke_output(f"aws:{function}", arguments, options)


def merged(*maps: Any) -> pulumi.Output[dict[str, Any]]:
    """The later wins; a map may be missing."""
    return pulumi.Output.all(*maps).apply(
        lambda known: {key: value for each in known for key, value in (each or {}).items()}
    )


def name_and_tags(name: str, request: Request, special: str) -> pulumi.Output[dict[str, Any]]:
    """The Name tag, the tags for everything, and those for this kind of resource."""
    return merged({"Name": name}, request.inputs.get("tags"), request.inputs.get(special))


class ClusterComponent(pulumi.ComponentResource):
    """An eks:index:Cluster that was registered in this run."""

    def __init__(self, name: str, urn: str) -> None:
        options = pulumi.ResourceOptions(urn=urn)
        super().__init__("eks:index:Cluster", name, {"core": None, "eksCluster": None}, options)
        self.as_parent = DependencyResource(urn)
        """Not itself: the SDK takes a component for all its children, so that a child that
        depends on one of its outputs would depend on itself."""


_READ = {
    "aws:eks/cluster:Cluster": ("arn", "certificateAuthority", "endpoint", "name", "version"),
    "aws:iam/role:Role": ("arn",),
}
"""What is read of the aws provider's resources that somebody else registered."""


class _Rehydrated(ResourceModule):
    """Turns references into resources, which ask the engine for their outputs."""

    def version(self) -> None:
        return None

    def construct(self, name: str, typ: str, urn: str) -> pulumi.Resource:
        if typ == "eks:index:Cluster":
            return ClusterComponent(name, urn)
        if typ in _READ:
            outputs = dict.fromkeys(_READ[typ])
            return pulumi.CustomResource(typ, name, outputs, pulumi.ResourceOptions(urn=urn))
        return DependencyResource(urn)


def rehydrate() -> None:
    """From now on references to a cluster or a role arrive as resources. Once for a process."""
    for package, module in (("eks", "index"), ("aws", "eks/cluster"), ("aws", "iam/role")):
        register_resource_module(package, module, _Rehydrated())
