"""The SDK of the `fake` package, as a generated one would be; programs in tests import it."""

from typing import Any

import pulumi

VERSION = "1.2.3"


def _options(opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
    versioned = pulumi.ResourceOptions(version=VERSION)
    return pulumi.ResourceOptions.merge(versioned, opts)


class Thing(pulumi.CustomResource):
    """Takes any inputs; `name` is made up if not given; see the plugin for what replaces."""

    arn: pulumi.Output[str]
    generated: pulumi.Output[str]
    password: pulumi.Output[str]

    def __init__(
        self, resource_name: str, opts: pulumi.ResourceOptions | None = None, **inputs: Any
    ) -> None:
        computed = {"arn": None, "generated": None, "password": None, "name": None}
        super().__init__("fake:index:Thing", resource_name, computed | inputs, _options(opts))

    @staticmethod
    def get(resource_name: str, id_: Any, opts: Any = None) -> "Thing":
        merged = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(id=id_))
        return Thing(resource_name, merged)


class Provider(pulumi.ProviderResource):
    """An explicit provider."""

    def __init__(
        self, resource_name: str, opts: pulumi.ResourceOptions | None = None, **inputs: Any
    ) -> None:
        super().__init__("fake", resource_name, inputs, _options(opts))


class Pair(pulumi.ComponentResource):
    """A remote component of two things; `first` is a resource reference."""

    first: pulumi.Output[Thing]
    label: pulumi.Output[str]

    def __init__(
        self, resource_name: str, opts: pulumi.ResourceOptions | None = None, **inputs: Any
    ) -> None:
        computed = {"first": None, "label": None}
        super().__init__(
            "fake:index:Pair", resource_name, computed | inputs, _options(opts), remote=True
        )

    def describe(self, greeting: str) -> pulumi.Output[Any]:
        return pulumi.runtime.call(
            "fake:index:Pair/describe", {"__self__": self, "greeting": greeting}, self
        )


def echo(value: Any, opts: pulumi.InvokeOptions | None = None) -> Any:
    """The plain form of a function."""
    options = opts or pulumi.InvokeOptions()
    options.version = VERSION
    return pulumi.runtime.invoke("fake:index:echo", {"value": value}, options).value


def echo_output(value: Any, opts: pulumi.InvokeOutputOptions | None = None) -> Any:
    """The output form of a function."""
    options = opts or pulumi.InvokeOutputOptions()
    options.version = VERSION
    return pulumi.runtime.invoke_output("fake:index:echo", {"value": value}, options)


class _Module(pulumi.runtime.ResourceModule):
    """Lets the SDK make a Thing from a reference."""

    def version(self) -> Any:
        return None

    def construct(self, name: str, typ: str, urn: str) -> pulumi.Resource:
        if typ == "fake:index:Thing":
            return Thing(name, pulumi.ResourceOptions(urn=urn))
        raise pulumi.RunError(f"unknown type {typ}")


pulumi.runtime.register_resource_module("fake", "index", _Module())
