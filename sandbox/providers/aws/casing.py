"""Between Pulumi's camelCase and AWS's PascalCase, for settings that are otherwise the same."""

from typing import Any


def pascal(value: Any) -> Any:
    """Keys at every depth as AWS writes them; values stay."""
    if isinstance(value, dict):
        return {key[:1].upper() + key[1:]: pascal(inner) for key, inner in value.items()}
    return [pascal(inner) for inner in value] if isinstance(value, list) else value


def camel(value: Any) -> Any:
    """The way back."""
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: camel(inner) for key, inner in value.items()}
    return [camel(inner) for inner in value] if isinstance(value, list) else value
