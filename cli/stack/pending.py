"""What an interrupted run left undone: decisions from the state and from a look into the cloud.

Pulumi writes down each step before it begins, as a pending operation. One that is still there when
nobody works on the stack was cut off: a creation may or may not have made its resource.

Updates and deletions name a resource that the state knows: a refresh finds out how it is. A
creation's is looked for by `look`, and taken into the state if it is there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.stack.events import name_of
from sandbox.errors import UserError

RELEASE = "kubernetes:helm.sh/v3:Release"
"""Helm has a lock of its own, which `look` takes away."""


@dataclass(frozen=True)
class Pending:
    """One step that was begun and has no end."""

    operation: str
    """creating, updating, deleting, reading or importing."""

    urn: str
    type: str
    inputs: Mapping[str, Any] = field(repr=False)
    state: Mapping[str, Any] = field(repr=False)
    """The resource as the state would have it."""

    @property
    def name(self) -> str:
        return name_of(self.urn)

    @property
    def label(self) -> str:
        return f"{self.type} {self.name}"


@dataclass(frozen=True)
class Made:
    """A resource that an interrupted creation has made, by its provider's id."""

    id: str


class Repeatable:
    """The creation may simply be made again: nothing was made, or making it twice makes one."""


Look = Callable[[Pending, frozenset[str]], Made | Repeatable | None]
"""What became of a creation, given the ids that the state knows; None: nothing here knows its kind."""


@dataclass
class Settled:
    """A state without pending operations."""

    deployment: dict[str, Any]
    taken: list[Pending] = field(default_factory=list)
    repeated: list[Pending] = field(default_factory=list)
    refresh: list[str] = field(default_factory=list)
    """URNs of resources that must be read before they are compared."""

    def lines(self) -> list[str]:
        """For people."""
        taken = [f"{item.label}: an interrupted run has made it; taken over" for item in self.taken]
        again = [f"{item.label}: an interrupted run did not make it" for item in self.repeated]
        known = [
            f"{name_of(urn)}: an interrupted run was changing it; looked at again"
            for urn in self.refresh
            if urn not in {item.urn for item in self.taken}
        ]
        return [*taken, *again, *known]


def operations(deployment: Mapping[str, Any]) -> list[Pending]:
    """The steps without an end."""
    return [
        Pending(
            operation=str(item["type"]),
            urn=str(item["resource"]["urn"]),
            type=str(item["resource"]["type"]),
            inputs=item["resource"].get("inputs") or {},
            state=item["resource"],
        )
        for item in deployment.get("pending_operations") or ()
    ]


def settle(deployment: Mapping[str, Any], look: Look) -> Settled:
    """Decides about each of them. UserError if one is of a kind that nothing here can look for."""
    resources = [dict(item) for item in deployment.get("resources") or ()]
    known = {str(item["urn"]) for item in resources}
    ids = frozenset(str(item["id"]) for item in resources if item.get("id"))
    settled = Settled({**deployment, "resources": resources})
    settled.deployment.pop("pending_operations", None)
    for item in operations(deployment):
        if item.operation not in ("creating", "importing"):
            if item.type == RELEASE:
                look(item, ids)
            # A replacement's old one may be gone under the same URN: also then there is one to read.
            if item.urn in known:
                settled.refresh.append(item.urn)
            continue
        found = look(item, ids)
        match found:
            case Made(id=identifier):
                resources.append({**item.state, "id": identifier, "outputs": {}})
                settled.taken.append(item)
                settled.refresh.append(item.urn)
            case Repeatable():
                settled.repeated.append(item)
            case None:
                raise _unknown(item)
    return settled


def _unknown(item: Pending) -> UserError:
    return UserError(
        f"An interrupted run was creating {item.label}, and nobody knows whether it did",
        f"{item.urn}\nLook in the cloud. If it is there, take it into the state with its id; if not, let it be\n"
        "made again with `pulumi refresh --clear-pending-creates`.",
        f"pulumi refresh --import-pending-creates '{item.urn}' ID",
    )


def nowhere(item: Pending, known: frozenset[str]) -> Made | Repeatable | None:
    """A look without a cloud: knows nothing."""
    return None


def stack_outputs(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    """The stack's own outputs as they are stored."""
    for item in deployment.get("resources") or ():
        if item.get("type") == "pulumi:pulumi:Stack":
            outputs: Mapping[str, Any] = item.get("outputs") or {}
            return outputs
    return {}
