"""What one run of the program registered, with what tests ask of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pulumi.runtime import resource as pulumi_resource
from pulumi.runtime.proto import source_pb2

from infra import registrations
from infra.registrations import BRANCH_DIGEST, DIGEST, ROOT, SECRETS, Registration

__all__ = ["BRANCH_DIGEST", "DIGEST", "ROOT", "SECRETS", "Program", "Registration", "run_program"]

# From which line each resource comes nobody asks here; below the many frames of a test it takes two fifths of a run.
pulumi_resource._get_stack_trace = source_pb2.StackTrace


@dataclass(frozen=True)
class Program(registrations.Program):
    """One run."""

    def of_type(self, type_: str) -> list[Registration]:
        found = [resource for resource in self.resources if resource.type == type_]
        assert found, f"the program has no {type_}"
        return found

    def one(self, type_: str, name: str = "") -> Registration:
        found = [r for r in self.of_type(type_) if r.name.endswith(name)]
        assert len(found) == 1, [r.name for r in found]
        return found[0]

    def depends_on(self, resource: Registration, other: Registration) -> bool:
        """Directly or through others: providers, parents and explicit dependencies alike."""
        by_urn = {r.urn: r for r in self.resources}
        seen: set[str] = set()
        waiting = list(resource.dependencies)
        while waiting:
            urn = waiting.pop()
            if urn == other.urn:
                return True
            if urn not in seen and urn in by_urn:
                seen.add(urn)
                waiting.extend(by_urn[urn].dependencies)
        return False


def run_program(
    config: Mapping[str, str],
    secrets: Mapping[str, str],
    stacks: Mapping[str, Program] = {},
    images: Sequence[Mapping[str, str]] = (),
    node_groups: Sequence[Mapping[str, Any]] = (),
) -> Program:
    """One run with this configuration, beside these stacks, in an account with these images and node groups."""
    ran = registrations.run_program(config, secrets, stacks, images, node_groups)
    return Program(**vars(ran))
