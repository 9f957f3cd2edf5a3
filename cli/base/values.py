"""Values that may not be shown: configuration and outputs that Pulumi keeps encrypted."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Secret:
    """A value that may not be shown or stored in clear."""

    value: Any

    def __repr__(self) -> str:
        # A secret that reaches a log or a traceback must still be none.
        return "Secret(...)"


def reveal(value: Any) -> Any:
    """`value` in clear, if it is secret."""
    return value.value if isinstance(value, Secret) else value
