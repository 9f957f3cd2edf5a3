"""The resources that are priced, and the lines of the cost report. Data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Thing:
    """A resource as its price sees it: type and inputs in Pulumi's words."""

    type: str
    name: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""
    """When, as ISO 8601; empty before it is there."""


@dataclass(frozen=True)
class Line:
    """One thing that costs something."""

    what: str
    """Like "NAT gateway": the same for both tenancies."""

    name: str
    """The resource's own name."""

    hourly: float | None
    """Dollars; None if the table has no price for it. Where it is billed by use, nothing runs by the hour."""

    detail: str = ""
    by_use: str = ""
    """Like "0.023 USD per GB-month": then it is in no total."""

    created: str = ""

    @property
    def missing(self) -> bool:
        """Whether there is no price for it."""
        return self.hourly is None and not self.by_use
