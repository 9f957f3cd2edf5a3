"""What the components are given, and the refusal of what they do not do."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sandbox.errors import Unsupported, UserError
from sandbox.providers.contract import ConstructRequest
from sandbox.providers.eks.values import plain
from sandbox.wire.values import Output, Properties, Value


@dataclass(frozen=True)
class Inputs:
    """A component's inputs; a key that was left out or is null is absent."""

    values: Mapping[str, Value]

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def get(self, key: str, default: Value = None) -> Value:
        return self.values.get(key, default)

    def only(self, *keys: str) -> Properties:
        """Those of the keys that were given."""
        return {key: self.values[key] for key in keys if key in self.values}

    def require(self, key: str) -> Value:
        if key not in self.values:
            raise UserError(f"Missing required property '{key}'")
        return self.values[key]

    def flag(self, key: str, *, default: bool) -> bool:
        """A switch that decides what is registered: it must be known beforehand."""
        value = plain(self.values.get(key, default))
        if not isinstance(value, bool):
            raise UserError(f"'{key}' must be true or false, and known before `up`")
        return value


def read(request: ConstructRequest, supported: Collection[str]) -> Inputs:
    """The inputs with what each depends on; refuses an option that the component does not know."""
    values: dict[str, Value] = {}
    for key, value in request.inputs.items():
        if plain(value) is None:
            continue
        if key not in supported:
            raise Unsupported(
                f"The sandbox's {request.type} does not know the option {key}",
                f"It was given by {request.name}. Supported are {', '.join(sorted(supported))}.",
            )
        urns = frozenset(request.input_dependencies.get(key, ()))
        values[key] = Output(value, dependencies=urns) if urns else value
    return Inputs(values)
