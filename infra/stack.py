"""What the program needs to know of the stack it runs for: its settings, its place, its names, its tags."""

import dataclasses
import hashlib
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.naming import TAG_EXPIRES, TAG_USED, TAGGABLE_TYPES, Names, labels, tags
from infra.settings import Secrets, Settings, SettingsError, load

ZONES = 2
"""EKS asks for subnets in two zones at least; a third would cost transfer and bring little."""


@dataclass(frozen=True)
class Place:
    """Where in AWS the stack is deployed."""

    region: str
    partition: str
    zones: list[str]


@dataclass(frozen=True)
class Stack:
    """One environment, as every component gets it."""

    settings: Settings
    secrets: Secrets = field(repr=False)
    place: Place

    @property
    def names(self) -> Names:
        return Names(self.settings.environment, shared=self.settings.rung == "shared")

    @property
    def tags(self) -> dict[str, str]:
        """On everything that the program makes."""
        told = self.settings
        return tags(
            told.environment, told.branch, told.expires, told.base, told.used, told.repository
        )

    @property
    def labels(self) -> dict[str, str]:
        """On its namespace, and on what it puts into its base's."""
        return labels(self.settings.environment, self.settings.base)

    @property
    def secrets_checksum(self) -> str:
        """Changes when a secret does, so that what reads them is started again.

        Not secret itself: nobody can guess their way back, because one of the inputs is a random key.
        """
        parts = "\0".join(dataclasses.astuple(self.secrets)).encode()
        return hashlib.sha256(parts).hexdigest()

    @property
    def lasting_tags(self) -> dict[str, str]:
        """Those that no day changes: for what AWS makes by itself, and for what a new tag would replace."""
        passing = (TAG_EXPIRES, TAG_USED)
        return {key: value for key, value in self.tags.items() if key not in passing}


def open_stack() -> Stack:
    """The stack that runs now; from here on every AWS resource gets its tags."""
    settings, secrets = _read_settings()
    stack = Stack(settings, secrets, _find_place())
    _tag_everything(stack.tags)
    return stack


def _read_settings() -> tuple[Settings, Secrets]:
    """The configuration, or one error that names everything that is wrong with it."""
    config = pulumi.runtime.get_config_env()
    secret_keys = pulumi.runtime.get_config_secret_keys_env()
    try:
        return load(config, secret_keys)
    except SettingsError as error:
        # RunError is Pulumi's word for "tell the user, without a traceback".
        raise pulumi.RunError(f"The stack's configuration is not valid:\n{error}") from None


def _find_place() -> Place:
    """The provider's region, and the first zones in it that need no opt-in."""
    available = aws.get_availability_zones(
        state="available",
        filters=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}],
    )
    return Place(
        region=aws.get_region().region,
        partition=aws.get_partition().partition,
        zones=sorted(available.names)[:ZONES],
    )


def _tag_everything(wanted: dict[str, str]) -> None:
    """A transform, because it reaches the resources that pulumi-eks's components make as well."""

    def add_tags(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        if args.type_ not in TAGGABLE_TYPES:
            return None
        own: Any = args.props.get("tags")
        if isinstance(own, pulumi.Output):
            # Secret, or not known before `up`.
            merged: Any = own.apply(lambda given: {**(given or {}), **wanted})
        else:
            merged = {**(own or {}), **wanted}
        return pulumi.ResourceTransformResult({**args.props, "tags": merged}, args.opts)

    pulumi.runtime.register_resource_transform(add_tags)
