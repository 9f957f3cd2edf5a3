"""What an operation is asked, and what it answers: all that its callers need to know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.engine.model.step import Op, StepSummary
from sandbox.engine.patience import Patience
from sandbox.errors import CloudError, KitError

QUIET_OPS = (Op.SAME, Op.READ)
"""What is no change."""


@dataclass(frozen=True)
class Request:
    """Which stack, and how."""

    project_dir: Path
    stack: str
    state_dir: Path
    config: Mapping[str, str] = field(default_factory=dict)
    """Values on top of those in the stack's file; `key` means `PROJECT:key`."""

    secret_config: Mapping[str, str] = field(default_factory=dict)
    config_file: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to that of this process, for the program and the plugins."""

    parallel: int | None = None
    """How many resources at a time; four for each processor if not given."""

    targets: Sequence[str] = ()
    """URNs; everything else stays as it is."""

    refresh: bool = False
    """Look at everything first, so that drift is repaired."""

    expect_no_changes: bool = False
    plugin_dirs: Sequence[Path] = ()
    """Searched for plugins before sandbox/bin and PATH."""

    patience: Patience = field(default_factory=Patience)
    """How long to wait for providers."""


@dataclass(frozen=True)
class Result:
    """What an operation did, or a preview would do."""

    changes: Mapping[Op, int]
    outputs: Mapping[str, Any]
    """Secrets are wrapped in `sandbox.wire.values.Secret`."""

    seconds: float
    steps: Sequence[StepSummary] = ()

    @property
    def changed(self) -> bool:
        return any(count for op, count in self.changes.items() if op not in QUIET_OPS)


class DeploymentFailed(CloudError):
    """A step failed after others had been done. `result` says which those are."""

    def __init__(self, first: KitError, result: Result) -> None:
        super().__init__(
            first.summary,
            first.detail,
            first.command,
            urn=getattr(first, "urn", ""),
            operation=getattr(first, "operation", ""),
            code=getattr(first, "code", ""),
        )
        self._first = first
        self.result = result

    @property
    def kind(self) -> str:
        return self._first.kind

    def done(self) -> dict[str, Any]:
        return {
            "changed": self.result.changed,
            "changes": {str(op): count for op, count in self.result.changes.items()},
            "seconds": round(self.result.seconds, 3),
        }


class Interrupted(KitError):
    """The user ended the operation: what had been begun is finished and saved."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__(
            "Interrupted", "What had been begun is finished and saved. Run it again to go on."
        )
