"""Operations on one resource, and the short form of a step that people and programs see."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Op(StrEnum):
    """Pulumi's names. A replacement is one create and one delete, shown as `replace`."""

    SAME = "same"
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    READ = "read"
    REFRESH = "refresh"
    IMPORT = "import"


@dataclass(frozen=True, slots=True)
class Change:
    """One property that differs; `kind` is add, update or delete.

    Secrets stay wrapped, so that no display can show them by mistake.
    """

    path: str
    kind: str
    old: Any = None
    new: Any = None
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class StepSummary:
    """What was done, or would be, to one resource."""

    op: Op
    urn: str
    type: str
    name: str
    keys: Sequence[str] = ()
    """The top-level properties that changed."""

    changes: Sequence[Change] = field(default=(), repr=False)
    seconds: float = 0.0
    retained: bool = False
    """Left in the cloud: retain_on_delete, or deleted together with another."""
