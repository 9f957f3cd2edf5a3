"""What the sandbox's account may have: quotas, and the instance types and capacity of its region.

The file `account.json` in the emulator's state changes it, from one call to the next, so that
somebody can see what happens where a quota is too small:

    {"quotas": {"ec2/L-0263D0A3": 1}, "missingInstanceTypes": ["m7i.large"], "exhausted": ["spot"]}
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = "account.json"


@dataclass(frozen=True)
class Account:
    quotas: dict[str, float] = field(default_factory=dict)
    """By service and quota code, such as `ec2/L-0263D0A3`. Only these are enforced."""

    missing_types: frozenset[str] = frozenset()
    """Instance types that the region does not offer."""

    exhausted: frozenset[str] = frozenset()
    """Of `spot` and `on-demand`, what has no capacity at the moment, in any zone and of any type."""

    @classmethod
    def read(cls, state: Path) -> "Account":
        try:
            stored: dict[str, Any] = json.loads((state / FILE).read_text())
        except FileNotFoundError:
            return cls()
        return cls(
            {key: float(value) for key, value in stored.get("quotas", {}).items()},
            frozenset(stored.get("missingInstanceTypes", [])),
            frozenset(stored.get("exhausted", [])),
        )
