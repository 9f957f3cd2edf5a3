"""Values that may not be shown: configuration and outputs that Pulumi keeps encrypted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cli.base.errors import UserError
from infra.contract.outputs import Output


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


def need(values: Mapping[str, Any], which: str | Output[Any]) -> str:
    """One value in clear. UserError if it is not there."""
    key = which if isinstance(which, str) else which.key
    if key not in values:
        raise UserError(
            f'There is no "{key}" yet', "The environment has not been deployed.", "./aerodrome up"
        )
    return str(reveal(values[key]))
