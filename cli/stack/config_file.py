"""Pulumi's configuration file of a stack, as far as it can be read without decrypting anything."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli.base.errors import UserError
from cli.base.record import write_atomically
from cli.base.settings import qualified
from infra.contract.configuration import SettingsError, renewed
from infra.contract.settings import FORMER_KEYS, NAMESPACE


def read(file: Path) -> dict[str, Any]:
    """Values by full key; secret ones are dictionaries. {} without a file.

    Former keys stand under their new names. UserError if both are there, or the file is not as Pulumi
    writes it.
    """
    return under_new_names(_as_written(file))[0]


def _as_written(file: Path) -> dict[str, Any]:
    import yaml

    try:
        values = (yaml.safe_load(file.read_text()) or {}).get("config") or {}
        return {qualified(str(key)): value for key, value in values.items()}
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, AttributeError, TypeError) as error:
        raise UserError(f"{file} is not a Pulumi configuration file", str(error)) from error


def under_new_names(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Values by full key, former keys under their new names, and a warning for each of those.

    UserError if one is there under both of its names.
    """
    try:
        return renewed(values)
    except SettingsError as error:
        raise UserError("The configuration sets one key twice", str(error)) from error


def rename_former_keys(file: Path) -> list[str]:
    """Writes former keys under their new names; a warning for each, nothing if there are none."""
    _, warnings = under_new_names(_as_written(file))
    if warnings:
        text = file.read_text()
        for old, new in FORMER_KEYS.items():
            # As text: who keeps the file in git has comments in it, and an order.
            key = re.compile(rf"""^(\s+["']?(?:{NAMESPACE}:)?){old}(["']?\s*:)""", re.MULTILINE)
            text = key.sub(rf"\g<1>{new}\g<2>", text)
        write_atomically(file, text, file.stat().st_mode & 0o777)
    return warnings


def plain(values: Mapping[str, Any]) -> dict[str, str]:
    """Those that are no secrets, as text: YAML's own types as Pulumi reads them."""
    return {
        key: value if isinstance(value, str) else json.dumps(value, default=str)
        for key, value in values.items()
        if not (isinstance(value, dict) and "secure" in value)
    }
