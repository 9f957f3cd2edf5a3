"""Pools, variables and connections that the values files declare: what the chart's schema cannot say of them.

Their secrets are references: to a Secret of Kubernetes, or to a secret of the stack's configuration in the namespace
`airflow:`, which the program puts into a Secret of its own. The image's `sync_declared.py` makes the rows.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from infra.airflow_options import TABLE
from infra.values_files import KeyPath

NAMESPACE: Final = "airflow"
"""Of the configuration: the program's own namespace takes no keys that it does not know."""

LEAVE_OUT: Final = "leaveOut"

_FORMS: Final = ("value", "json", "secret", "config")
"""What a variable is made of: one of these."""

_SENSITIVE: Final = re.compile(
    r"(.*[_-])?(password|passwd|passphrase|secret|token|api_?key|private_?key|access_?key|keyfile_dict)",
    re.IGNORECASE,
)
"""Names of what is masked by Airflow itself, too."""

_SET_BY_THE_CHART: Final = ("aws_default", "aerodrome_logs")


@dataclass(frozen=True)
class StackSecrets:
    """What the stack's configuration has in the namespace `airflow`, by its keys."""

    secret: frozenset[str] = frozenset()
    plain: frozenset[str] = frozenset()
    optional: bool = False
    """Whether what names a missing one is left out: a branch gets no secret of its base's."""


@dataclass(frozen=True)
class Finding:
    """What there is to say of one declaration. A warning refuses nothing."""

    path: KeyPath
    text: str
    warning: bool = False


def check(values: Mapping[str, Any], secrets: StackSecrets) -> Iterator[Finding]:
    """What is wrong with the declarations of all files together. What is none by the schema is passed over."""
    for name, variable in _maps(values, "variables"):
        yield from _check_variable(("variables", name), variable)
        yield from _check_config(("variables", name), variable, values, secrets)
    for name, connection in _maps(values, "connections"):
        path = ("connections", name)
        yield from _check_connection(path, connection)
        for key in ("password", "secretExtra"):
            if isinstance(reference := connection.get(key), Mapping):
                yield from _check_reference((*path, key), reference)
                yield from _check_config((*path, key), reference, values, secrets)
    yield from _check_plain_variables(values)
    yield from _check_shadows(values)


def config_keys(values: Mapping[str, Any]) -> list[str]:
    """The keys of the configuration that declarations name."""
    references = [one for _, one in _maps(values, "variables")]
    for _, connection in _maps(values, "connections"):
        references += [connection.get("password") or {}, connection.get("secretExtra") or {}]
    return sorted({str(one["config"]) for one in references if one.get("config") is not None})


def _maps(values: Mapping[str, Any], key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    declared = values.get(key)
    for name, one in declared.items() if isinstance(declared, Mapping) else ():
        if isinstance(one, Mapping):
            yield name, one


def _check_variable(path: KeyPath, variable: Mapping[str, Any]) -> Iterator[Finding]:
    given = [form for form in _FORMS if variable.get(form) is not None]
    if len(given) != 1:
        said = f", not {' and '.join(given)}" if given else ""
        yield Finding(path, f"has one of {', '.join(_FORMS)}{said}")


def _check_reference(path: KeyPath, reference: Mapping[str, Any]) -> Iterator[Finding]:
    given = [key for key in ("secret", "config") if reference.get(key) is not None]
    if len(given) != 1:
        yield Finding(path, "has either secret: {name: SECRET, key: KEY} or config: KEY")


def _check_config(
    path: KeyPath, reference: Mapping[str, Any], values: Mapping[str, Any], secrets: StackSecrets
) -> Iterator[Finding]:
    key = reference.get("config")
    if not isinstance(key, str) or key in secrets.secret:
        return
    command = f"./aerodrome config set {NAMESPACE}:{key} --secret"
    if key in secrets.plain:
        yield Finding((*path, "config"), f"{NAMESPACE}:{key} is set in plain text: {command}")
        return
    near = difflib.get_close_matches(key, secrets.secret, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    optional = values.get("missingSecrets", LEAVE_OUT if secrets.optional else "") == LEAVE_OUT
    said = "left out, because " if optional else ""
    text = f"{said}{NAMESPACE}:{key} is not set{hint}: {command}"
    yield Finding((*path, "config"), text, warning=optional)


def _check_connection(path: KeyPath, connection: Mapping[str, Any]) -> Iterator[Finding]:
    kind = connection.get("type")
    if isinstance(kind, str) and kind not in (known := _connection_types()):
        near = difflib.get_close_matches(kind, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        text = f"nothing in the image has connections of the type {kind}{hint}"
        yield Finding((*path, "type"), text, warning=True)
    if path[-1] in _SET_BY_THE_CHART:
        yield Finding(
            path,
            "the chart sets this connection for all pods, and Airflow looks there first; choose another name",
        )
    extra = connection.get("extra")
    for key in extra if isinstance(extra, Mapping) else ():
        if _SENSITIVE.fullmatch(key):
            yield Finding((*path, "extra", key), "a secret in plain text; put it into secretExtra")


def _check_plain_variables(values: Mapping[str, Any]) -> Iterator[Finding]:
    declared = values.get("variables")
    for name, one in declared.items() if isinstance(declared, Mapping) else ():
        plain = isinstance(one, str) or (isinstance(one, Mapping) and one.get("value") is not None)
        if plain and _SENSITIVE.fullmatch(name):
            text = f"a secret in plain text, by its name; say {name}: {{config: KEY}}, or {{secret: {{name: SECRET, key: KEY}}}}"
            yield Finding(("variables", name), text)


def _check_shadows(values: Mapping[str, Any]) -> Iterator[Finding]:
    """Airflow looks into its environment before it looks into its database."""
    for key, prefix in (("connections", "AIRFLOW_CONN_"), ("variables", "AIRFLOW_VAR_")):
        declared = values.get(key)
        for name in declared if isinstance(declared, Mapping) else ():
            for place in ("env", "secretEnv"):
                there = values.get(place)
                if isinstance(there, Mapping) and there.get(f"{prefix}{name.upper()}") is not None:
                    text = f"{place}.{prefix}{name.upper()} is set, and Airflow looks there first"
                    yield Finding((key, name), text, warning=True)


@cache
def _connection_types() -> frozenset[str]:
    return frozenset(json.loads(TABLE.read_text(encoding="utf-8"))["connectionTypes"])
