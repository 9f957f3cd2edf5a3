"""What all steps of one pass share: the ledger, the providers, and what came of it so far."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sandbox.engine.applying.events import Listener, StepDone, StepFailed
from sandbox.engine.applying.masking import Mask
from sandbox.engine.applying.providers import Providers
from sandbox.engine.model import urn as urns
from sandbox.engine.model.step import Change, Op, StepSummary
from sandbox.engine.state.ledger import Ledger
from sandbox.errors import KitError


class Stopped(KitError):
    """No further step is begun: another one failed, or the user interrupted."""

    def __init__(self) -> None:
        super().__init__("The deployment is being stopped")


@dataclass(slots=True)
class Run:
    """One pass over a stack. In a preview nothing is changed and the ledger has no journal."""

    ledger: Ledger
    providers: Providers
    listener: Listener
    preview: bool
    slots: asyncio.Semaphore
    """How many resources may be worked on at a time."""

    mask: Mask = field(default_factory=Mask)
    steps: list[StepSummary] = field(default_factory=list)
    changes: Counter[Op] = field(default_factory=Counter)
    errors: list[KitError] = field(default_factory=list)
    stopping: bool = False

    def begin(self) -> None:
        """Refuse if no further step may be begun."""
        if self.stopping:
            raise Stopped

    def done(self, step: StepSummary, *, counts: bool = True) -> None:
        """A step is done. Half of a replacement does not count."""
        if counts:
            self.steps.append(step)
            self.changes[step.op] += 1
        self.listener(StepDone(step, self.preview))

    def fail(self, op: Op, urn: str, error: KitError) -> None:
        """A step failed: what is under way is finished, nothing else is begun."""
        self.stopping = True
        if isinstance(error, Stopped):
            return
        self.errors.append(error)
        self.listener(StepFailed(op, urn, str(error)))


def summary(
    op: Op,
    urn: str,
    *,
    keys: tuple[str, ...] = (),
    changes: Sequence[Change] = (),
    seconds: float = 0.0,
    retained: bool = False,
) -> StepSummary:
    """A step on `urn` as people see it."""
    return StepSummary(
        op, urn, urns.type_of(urn), urns.name_of(urn), keys, changes, seconds, retained
    )
