"""The environment that a shared one stands on: what its stack says of itself.

The counterpart of `outputs.py`, on the other side of a StackReference. Everything here is the base's; a
shared environment refers to it and never changes it.
"""

from typing import Any

import pulumi

from infra.contract.naming import CONTRACT
from infra.registry import Repository
from infra.stack import Stack


class Base:
    """The base environment's outputs, each checked to be there before anything is made of it."""

    def __init__(self, stack: Stack) -> None:
        self.name = stack.settings.base
        self._region = stack.place.region
        project = f"{pulumi.get_organization()}/{pulumi.get_project()}"
        self._reference = pulumi.StackReference(f"{project}/{self.name}")
        self._checked = pulumi.Output.all(
            contract=self._reference.get_output("contract"),
            rung=self._reference.get_output("rung"),
            region=self._reference.get_output("region"),
        ).apply(self._check)

    def output(self, name: str) -> pulumi.Output[Any]:
        """One output; secret where it is secret there."""
        both = pulumi.Output.all(self._checked, self._reference.get_output(name))
        return both.apply(lambda values: values[1])

    def repository(self, image: str) -> Repository:
        """Where the base's image of that name lies, and the branch's beside it."""
        told = self.output("repositories").apply(lambda repositories: repositories[image])
        return Repository(
            told.apply(lambda one: str(one["url"])),
            told.apply(lambda one: str(one["name"])),
            told.apply(lambda one: str(one["registryId"])),
        )

    def _check(self, told: dict[str, Any]) -> int:
        """The contract's version, or words that say what to do; nothing has been made by then."""
        contract, rung, region = told["contract"], told["rung"], told["region"]
        if rung not in (None, "dedicated"):
            raise pulumi.RunError(
                f"environment {self.name} is itself a shared environment and carries no other: "
                "set aerodrome:base to the one that it stands on"
            )
        if contract is None or contract < CONTRACT:
            raise pulumi.RunError(
                f"base environment {self.name} was deployed by an older version, or not to its end: "
                f"run aerodrome up --env {self.name}"
            )
        if region != self._region:
            raise pulumi.RunError(
                f"base environment {self.name} is in {region}, this one is configured for "
                f"{self._region}: run pulumi config set aws:region {region}"
            )
        return int(contract)
