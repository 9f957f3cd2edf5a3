"""The interface of the driver of Pulumi, and the result of its operations.

`cli.stack.driver` does it, with the Pulumi CLI. Verbs know only this module.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO

from cli.base.values import Secret, reveal
from infra.contract.outputs import Outputs

Stop = Callable[[], str]
"""Why an operation cannot succeed any more; empty as long as it can. Asked again and again."""


def _never() -> str:
    return ""


NEVER: Stop = _never


QUIET = ("same", "read")
"""Steps that leave everything as it is."""


@dataclass(frozen=True)
class Outcome:
    """The result of an operation: what it did, or what a preview would do."""

    changes: Mapping[str, int]
    """Steps by kind: {"create": 3, "same": 40}."""

    seconds: float
    outputs: Outputs = field(default_factory=lambda: Outputs({}))
    """The stack's outputs; secret ones are wrapped."""

    losing: Sequence[str] = ()
    """Of a preview: what holds data and would be deleted or replaced, each with what would be done."""

    @property
    def changed(self) -> int:
        """How many resources were not left alone."""
        return sum(count for kind, count in self.changes.items() if kind not in QUIET)

    def summary(self) -> str:
        """Like "3 create, 40 same"."""
        return (
            ", ".join(f"{n} {kind}" for kind, n in sorted(self.changes.items()) if n) or "nothing"
        )


@dataclass(frozen=True)
class Found:
    """One resource of a stack."""

    type: str
    name: str
    urn: str
    id: str
    created: str = ""
    """When, as ISO 8601; empty where the state does not say."""

    inputs: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """What the program asked for: its price goes by it. May hold secrets."""


class Backend(Protocol):
    """One environment's engine. `show` is where progress goes."""

    def create(self, secrets_provider: str) -> None:
        """A stack to configure, if there is none yet; what was deployed brings its configuration."""

    def dry_run(self) -> AbstractContextManager["Backend"]:
        """For a preview: one that may be configured, and leaves nothing behind when the block ends."""

    def preview(self, show: TextIO, *, refresh: bool = False) -> Outcome:
        """What `up` would do; with `refresh` after a look at what is really there."""

    def up(self, show: TextIO, *, refresh: bool = False, stop: Stop = NEVER) -> Outcome:
        """Brings what is there to what the program says. KitError as soon as `stop` has a reason."""

    def refresh(self, show: TextIO, *, seconds: float | None = None) -> Outcome:
        """Compares the state with what is really there, and forgets what is gone."""

    def destroy(self, show: TextIO, *, seconds: float | None = None, stop: Stop = NEVER) -> Outcome:
        """Deletes what the state knows; interrupted after `seconds`, or when `stop` has a reason, it saves
        and raises."""

    def history(self) -> list[dict[str, Any]]:
        """What was done to the stack, the latest first."""

    def change_passphrase(self, new: str, *, managed: bool) -> int:
        """Encrypts state and configuration again; how many secrets there were."""

    def outputs(self) -> Outputs:
        """Secret ones are wrapped; empty if it is not deployed."""

    def resources(self) -> list[Found]: ...
    def read_by(self, stored: Callable[[str], dict[str, Any]]) -> None:
        """For looking only: the state is what `stored` has of it, by the stack's name."""

    def deployed(self) -> bool:
        """Whether there is a state with resources in it; asks no cloud."""

    def forget(self) -> None:
        """Throw the state away: what it describes is gone."""

    def forget_in_cluster(self) -> int:
        """Throw away what the state says of objects in a cluster that is gone; how many."""

    def remove(self, *, config: bool) -> None:
        """The stack itself, when it is empty; with its configuration if that was made by `up`."""

    def config(self) -> dict[str, Any]:
        """Full keys; secret values are wrapped."""

    def configured(self) -> set[str]:
        """The full keys that are set; nothing is decrypted, which takes a third of a second."""

    def plain(self) -> dict[str, str]:
        """What `config` says, without what is secret, and without a passphrase."""

    def rename_former_keys(self) -> list[str]:
        """Writes keys of the version before under their new names; a warning for each."""

    def set_config(self, key: str, value: str, *, secret: bool) -> None: ...

    def set_plain(self, values: Mapping[str, str]) -> None:
        """Several values at once, none of them secret."""

    def remove_config(self, key: str) -> None: ...


def clear(value: Any) -> Any:
    """A value without its secret wrappers: only for what the user asked to see."""
    return reveal(value)


def masked(value: Any) -> Any:
    """A value fit for the screen."""
    return "[secret]" if isinstance(value, Secret) else value
