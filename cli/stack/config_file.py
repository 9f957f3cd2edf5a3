"""Pulumi's configuration file of a stack, as far as it can be read without decrypting anything."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli.base.settings import qualified


def read(file: Path) -> dict[str, Any]:
    """Values by full key; secret ones are dictionaries. {} without a file.

    Raises YAMLError, AttributeError or TypeError if it is not as Pulumi writes it.
    """
    import yaml

    try:
        text = file.read_text()
    except FileNotFoundError:
        return {}
    values = (yaml.safe_load(text) or {}).get("config") or {}
    return {qualified(str(key)): value for key, value in values.items()}


def plain(values: Mapping[str, Any]) -> dict[str, str]:
    """Those that are no secrets, as text: YAML's booleans as Pulumi reads them."""
    return {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in values.items()
        if not isinstance(value, dict)
    }
