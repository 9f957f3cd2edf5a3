"""A stack's configuration as Pulumi keeps it, checked and turned into `Settings` and `Secrets`.

Pulumi hands it over as strings. What is wrong with it is one `SettingsError` that names every problem.
"""

import difflib
from collections.abc import Collection, Mapping
from typing import Any, Final

from infra.contract.settings import NAMESPACE, SETTINGS, Secrets, Settings

LOWEST_NODE_PORT: Final = 30_000
"""Where Kubernetes's own range of node ports begins."""

SMALLEST_RDS_DISK_GB: Final = 20


class SettingsError(Exception):
    """The configuration is not usable; `problems` has one line for each fault."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load(config: Mapping[str, str], secret_keys: Collection[str]) -> tuple[Settings, Secrets]:
    """The stack's settings from Pulumi's configuration: full keys (`aerodrome:nodeMax`), string values.

    Raises SettingsError with every problem found.
    """
    given = {
        key.removeprefix(f"{NAMESPACE}:"): value
        for key, value in config.items()
        if key.startswith(f"{NAMESPACE}:")
    }
    problems = [_unknown(key) for key in given if key not in SETTINGS]
    plain: dict[str, Any] = {}
    secret: dict[str, Any] = {}
    for key, setting in SETTINGS.items():
        if key not in given:
            if setting.required:
                problems.append(f"{NAMESPACE}:{key} is not set: {_set_command(key)}")
            continue
        if setting.secret and f"{NAMESPACE}:{key}" not in secret_keys:
            problems.append(f"{NAMESPACE}:{key} must be a secret: {_set_command(key)}")
        value, problem = setting.parse(given[key])
        if problem:
            shown = "" if setting.secret else f" is {given[key]!r}:"
            problems.append(f"{NAMESPACE}:{key}{shown} {problem}")
        else:
            (secret if setting.secret else plain)[setting.field] = value
    if problems:
        raise SettingsError(problems)
    settings = Settings(**plain)
    if crossed := _check_together(settings):
        raise SettingsError(crossed)
    return settings, Secrets(**secret)


def _check_together(settings: Settings) -> list[str]:
    problems = _check_rung(settings)
    if not settings.node_min <= settings.node_desired <= settings.node_max:
        problems.append(
            f"{NAMESPACE}:nodeDesired is {settings.node_desired}: must lie between "
            f"nodeMin ({settings.node_min}) and nodeMax ({settings.node_max})"
        )
    if settings.database == "rds" and settings.database_storage_gb < SMALLEST_RDS_DISK_GB:
        problems.append(
            f"{NAMESPACE}:databaseStorageGb is {settings.database_storage_gb}: "
            f"RDS takes no less than {SMALLEST_RDS_DISK_GB}"
        )
    if 0 < settings.ui_node_port < LOWEST_NODE_PORT:
        problems.append(
            f"{NAMESPACE}:uiNodePort is {settings.ui_node_port}: "
            f"must be 0 or between {LOWEST_NODE_PORT} and 32767"
        )
    return problems


def _check_rung(settings: Settings) -> list[str]:
    if settings.rung == "shared" and not settings.base:
        return [
            f"{NAMESPACE}:base is not set: rung shared needs the environment that it stands on: "
            f"{_set_command('base')}"
        ]
    if settings.rung == "dedicated" and settings.base:
        return [
            f"{NAMESPACE}:base is {settings.base!r}: only an environment of rung shared has a base"
        ]
    if settings.base == settings.environment:
        return [f"{NAMESPACE}:base is {settings.base!r}: an environment can not stand on itself"]
    return []


def _unknown(key: str) -> str:
    near = difflib.get_close_matches(key, SETTINGS, n=1)
    hint = (
        f"did you mean {NAMESPACE}:{near[0]}?"
        if near
        else f"known are {', '.join(sorted(SETTINGS))}"
    )
    return f"{NAMESPACE}:{key} is not a configuration key: {hint}"


def _set_command(key: str) -> str:
    option = "--secret " if SETTINGS[key].secret else ""
    return f"pulumi config set {option}{NAMESPACE}:{key} VALUE"
