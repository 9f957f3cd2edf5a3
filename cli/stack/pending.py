"""What an interrupted run left undone: decisions from the state and from a look into the cloud.

Pulumi writes down each step before it begins, as a pending operation. One that is still there when
nobody works on the stack was cut off: a creation may or may not have made its resource.

Updates and deletions name a resource that the state knows: it is read before the next step. A
creation's is looked for by `look`, and taken into the state if it is there. Pulumi's own
`refresh --import-pending-creates` does not do that: 3.276 forgets the operation, and the resource
with it. The state that comes out is for `pulumi stack import`, and whole by itself: what must still
be read is marked in it, so that whatever Pulumi does next reads it first, also if that is killed.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cli.base.errors import UserError
from cli.stack.events import Failed, Message, name_of

RELEASE = "kubernetes:helm.sh/v3:Release"
"""Helm has a lock of its own, which `look` releases."""

INTERRUPTED = "an interrupted run was working on it"
"""The initialization error of what must be gone through again: Pulumi updates it in any case."""


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

    since: str = ""
    """When the state was last written, as ISO 8601: soon after it began."""

    @property
    def name(self) -> str:
        return name_of(self.urn)

    @property
    def label(self) -> str:
        return f"{self.type} {self.name}"


@dataclass(frozen=True)
class Made:
    """A resource that is there, by its provider's id."""

    id: str
    unfinished: bool = False
    """Whether Pulumi must update it in any case: reading it does not show what it lacks."""

    outputs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What its provider must know of it; with none, the provider reads it by its id, as in an import."""


class Repeatable:
    """The creation may simply be made again: nothing was made, or making it twice makes one."""


Look = Callable[[Pending, frozenset[str]], Made | Repeatable | None]
"""What became of an operation, given the ids that the state has of that type; None: nothing here can tell."""


@dataclass
class Settled:
    """A state without pending operations."""

    deployment: dict[str, Any]
    taken: list[Pending] = field(default_factory=list)
    repeated: list[Pending] = field(default_factory=list)
    read: list[Pending] = field(default_factory=list)
    """Those whose resource was known already, and is read again."""

    def lines(self) -> list[str]:
        """For people."""
        return [
            *(
                f"{item.label}: an interrupted run has created it; imported into the state"
                for item in self.taken
            ),
            *(f"{item.label}: an interrupted run did not create it" for item in self.repeated),
            *(f"{item.label}: an interrupted run was {item.operation} it" for item in self.read),
        ]


def operations(deployment: Mapping[str, Any]) -> list[Pending]:
    """The steps without an end."""
    since = str((deployment.get("manifest") or {}).get("time", ""))
    return [
        Pending(
            operation=str(item["type"]),
            urn=str(item["resource"]["urn"]),
            type=str(item["resource"]["type"]),
            inputs=item["resource"].get("inputs") or {},
            state=item["resource"],
            since=since,
        )
        for item in deployment.get("pending_operations") or ()
    ]


def settle(deployment: Mapping[str, Any], look: Look) -> Settled:
    """Decides about each of them. UserError if one is of a kind that nothing here can look for."""
    settled = Settled(
        {**deployment, "resources": [dict(item) for item in deployment.get("resources") or ()]}
    )
    settled.deployment.pop("pending_operations", None)
    for item in operations(deployment):
        match item.operation:
            case "creating":
                _settle_creation(settled, item, look)
            case "updating" | "deleting":
                _settle_change(settled, item, look)
            # What was only read, or imported, was there before; the program asks for it again.
    return settled


def _settle_creation(settled: Settled, item: Pending, look: Look) -> None:
    known = _ids(settled, item.type)
    match look(item, known):
        case None:
            raise _unknown(item)
        # One that is known is the one that this creation was to replace.
        case Made() as made if made.id not in known:
            _take(settled.deployment["resources"], item, made)
            settled.taken.append(item)
        case _:
            settled.repeated.append(item)


def _settle_change(settled: Settled, item: Pending, look: Look) -> None:
    made = look(item, _ids(settled, item.type)) if item.type == RELEASE else None
    for entry in settled.deployment["resources"]:
        # One that is only waiting for its deletion is deleted, whether it is there or not.
        if entry["urn"] == item.urn and not entry.get("delete"):
            entry |= _mark(made)
            settled.read.append(item)


def _ids(settled: Settled, type_: str) -> frozenset[str]:
    """What the state has of a type; not what was deleted so that another one takes its place."""
    return frozenset(
        str(entry["id"])
        for entry in settled.deployment["resources"]
        if entry["type"] == type_ and entry.get("id") and not entry.get("pendingReplacement")
    )


def _take(resources: list[dict[str, Any]], item: Pending, made: Made) -> None:
    """Puts what a creation has made among the resources, as Pulumi does at its end."""
    entry = {**item.state, "id": made.id, "outputs": dict(made.outputs), **_mark(made)}
    for index, old in enumerate(resources):
        if old["urn"] != item.urn or old.get("delete"):
            continue
        # Before what depends on it; what it depends on stands before the old one.
        before = {other["urn"] for other in resources[:index]}
        entry["dependencies"] = [urn for urn in entry.get("dependencies") or () if urn in before]
        if old.get("pendingReplacement"):
            resources[index] = entry
        else:
            old["delete"] = True
            resources.insert(index, entry)
        return
    resources.append(entry)


def _mark(made: Made | Repeatable | None) -> dict[str, Any]:
    if isinstance(made, Made) and made.unfinished:
        return {"initErrors": [INTERRUPTED]}
    return {"refreshBeforeUpdate": True}


def _unknown(item: Pending) -> UserError:
    return UserError(
        f"An interrupted run was creating {item.label}, and whether it did cannot be found out",
        f"{item.urn}\nLook in the cloud: if it is there, delete it. Then have it created again.",
        "pulumi refresh --clear-pending-creates",
    )


def nowhere(item: Pending, known: frozenset[str]) -> Made | Repeatable | None:
    """A look without a cloud: knows nothing."""
    return None


# -- a plugin that died --------------------------------------------------------------------

_DIED = re.compile(
    r"error reading from server|transport is closing|error while dialing|connection (reset|refused)",
    re.IGNORECASE,
)
_OPERATIONS = {
    "create": "creating",
    "create-replacement": "creating",
    "update": "updating",
    "delete": "deleting",
    "delete-replaced": "deleting",
}
_HIDDEN = "[secret]"


def lost(
    deployment: Mapping[str, Any], failed: Iterable[Failed], messages: Iterable[Message]
) -> dict[str, Any] | None:
    """The state with the steps as pending operations that ended because their plugin died.

    Pulumi takes them for failed, and forgets what they may have made. None if there are none.
    """
    dead = {each.urn for each in messages if each.is_error and _DIED.search(each.text)}
    pending = [
        {"type": _OPERATIONS[each.step.op], "resource": _unfinished(each.state, deployment)}
        for each in failed
        if each.step.urn in dead and each.step.op in _OPERATIONS and each.state
    ]
    if not pending:
        return None
    return {
        **deployment,
        "pending_operations": [*(deployment.get("pending_operations") or ()), *pending],
    }


def _unfinished(state: Mapping[str, Any], deployment: Mapping[str, Any]) -> dict[str, Any]:
    """A resource as an event has it, which names neither its secrets nor what it depends on."""
    resources: Sequence[Mapping[str, Any]] = deployment.get("resources") or ()
    kept = {key: value for key, value in state.items() if value not in ("", None)}
    return {
        **kept,
        "inputs": _without_secrets(state.get("inputs") or {}),
        "outputs": {},
        # All that is there: so it goes before them. The next `up` knows better.
        "dependencies": [
            item["urn"]
            for item in resources
            if not str(item["type"]).startswith("pulumi:") and item["urn"] != state["urn"]
        ],
    }


def _without_secrets(value: Any) -> Any:
    match value:
        case dict():
            return {
                key: _without_secrets(inner) for key, inner in value.items() if inner != _HIDDEN
            }
        case list():
            return [_without_secrets(inner) for inner in value if inner != _HIDDEN]
    return value


def stack_outputs(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    """The stack's own outputs as they are stored."""
    for item in deployment.get("resources") or ():
        if item.get("type") == "pulumi:pulumi:Stack":
            outputs: Mapping[str, Any] = item.get("outputs") or {}
            return outputs
    return {}
