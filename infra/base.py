"""The base of a shared environment: the outputs of its stack.

Read through a StackReference, by the keys that `outputs.py` exports. Everything here is the base's; a
shared environment refers to it and never changes it.
"""

from typing import Any

import pulumi

from infra.contract.outputs import Output, Outputs, refusal
from infra.registry import Repository
from infra.stack import Stack

LOOKED_AT = (Outputs.contract, Outputs.tenancy, Outputs.base, Outputs.region)
"""What says whether an environment can stand on it."""


class Base:
    """The base environment's outputs, each checked to be there before anything is made of it."""

    def __init__(self, stack: Stack) -> None:
        self.name = stack.settings.base
        self._region = stack.place.region
        project = f"{pulumi.get_organization()}/{pulumi.get_project()}"
        self._reference = pulumi.StackReference(f"{project}/{self.name}")
        keys = [key for output in LOOKED_AT for key in output.keys]
        read = {key: self._reference.get_output(key) for key in keys}
        self._checked = pulumi.Output.all(**read).apply(self._check)

    def output(self, which: Output[Any]) -> pulumi.Output[Any]:
        """One output; secret where it is secret there."""
        both = pulumi.Output.all(self._checked, self._reference.get_output(which.key))
        return both.apply(lambda values: values[1])

    def repository(self, image: str) -> Repository:
        """Where the base's image of that name lies, and the branch's beside it. A base that was deployed
        before there was such an image has no place for it but beside Airflow's."""
        repository = self.output(Outputs.repositories).apply(
            lambda repositories: repositories.get(image) or repositories["airflow"]
        )
        return Repository(
            repository.apply(lambda one: str(one["url"])),
            repository.apply(lambda one: str(one["name"])),
            repository.apply(lambda one: str(one["registryId"])),
        )

    def _check(self, values: dict[str, Any]) -> int:
        """The contract's version, or words that say what to do; nothing has been made by then."""
        outputs = Outputs(values)
        if refused := refusal(self.name, outputs):
            raise pulumi.RunError("\n".join(refused))
        if outputs.region != self._region:
            raise pulumi.RunError(
                f"base environment {self.name} is in {outputs.region}, this one is configured for "
                f"{self._region}: run pulumi config set aws:region {outputs.region}"
            )
        return outputs.contract
