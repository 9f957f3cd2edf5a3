"""Goal: what the program asked for. State: what is known of a resource after a step."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.wire.values import Properties


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; 0 leaves it to the provider."""

    create: float = 0.0
    update: float = 0.0
    delete: float = 0.0


@dataclass(frozen=True, slots=True)
class Options:
    """The resource options that outlive a run, under Pulumi's names."""

    protect: bool = False
    retain_on_delete: bool = False
    deleted_with: str = ""
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    additional_secret_outputs: tuple[str, ...] = ()
    timeouts: Timeouts = Timeouts()


@dataclass(frozen=True, slots=True)
class Goal:
    """What the program asked for. Not yet true of the world."""

    urn: str
    type: str
    name: str
    custom: bool
    inputs: Properties
    parent: str = ""
    provider: str = ""
    """A reference, URN::ID; empty for components and for providers themselves."""

    dependencies: tuple[str, ...] = ()
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    options: Options = Options()
    aliases: tuple[str, ...] = ()
    import_id: str = ""
    delete_before_replace: bool | None = None
    """None leaves it to the provider."""

    replace_with: tuple[str, ...] = ()
    source_position: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """A resource as it was after the last step that touched it."""

    urn: str
    type: str
    custom: bool
    id: str = ""
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    parent: str = ""
    provider: str = ""
    dependencies: tuple[str, ...] = ()
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    options: Options = Options()
    import_id: str = ""
    external: bool = False
    """Read with `get`: it lives elsewhere, so it is never changed or deleted."""

    delete: bool = False
    """Replaced by another of the same URN; still to be deleted."""

    pending_replacement: bool = False
    """Deleted already, its replacement not made yet."""

    init_errors: tuple[str, ...] = ()
    """It exists, but did not become ready."""

    created: str = ""
    modified: str = ""
    source_position: str = ""

    def prerequisites(self) -> set[str]:
        """The URNs that must be there before it, and may only go after it."""
        found = self.wanted() | {self.parent, self.options.deleted_with}
        if self.provider:
            found.add(self.provider.rpartition("::")[0])
        found.discard("")
        found.discard(self.urn)
        return found

    def wanted(self) -> set[str]:
        """The URNs that the program named as dependencies, directly or in a property."""
        return {*self.dependencies}.union(*self.property_dependencies.values())
