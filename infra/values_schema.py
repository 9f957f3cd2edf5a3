"""The chart's schema, asked by a JSON Schema library, and its answers in words: a path, and what is wrong there."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from infra.values_files import KeyPath, dotted

Fault = tuple[KeyPath, str]

_TOGETHER: Final = frozenset({"required", "anyOf", "oneOf", "if", "then"})
"""Rules that say something of all values, not of one file that sets some of them."""

_TYPES: Final[Mapping[str, str]] = {
    "object": "keys and values",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


def faults(schema: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Fault]:
    """What the schema refuses of the values that one file sets."""
    for error in Draft7Validator(schema).iter_errors(_without_nulls(values)):
        if error.validator not in _TOGETHER:
            yield from _told(schema, error)


def missing(schema: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Fault]:
    """What the schema refuses of all values together."""
    for error in Draft7Validator(schema).iter_errors(values):
        if error.validator == "required":
            path = tuple(error.absolute_path)
            lacking = [key for key in error.validator_value if key not in error.instance]
            # One error for each key, and all of them have the whole list.
            key = next((one for one in lacking if repr(one) in error.message), lacking[0])
            yield (*path, key), "is required"


def _without_nulls(values: Any) -> Any:
    """A null removes a value: it is none that could be wrong."""
    if isinstance(values, Mapping):
        return {key: _without_nulls(one) for key, one in values.items() if one is not None}
    return values


def _told(schema: Mapping[str, Any], error: ValidationError) -> Iterator[Fault]:
    path: KeyPath = tuple(error.absolute_path)
    if "propertyNames" in error.absolute_schema_path:
        if reason := _key_reason(path, error):
            yield (*path, str(error.instance)), reason
    elif error.validator == "additionalProperties":
        node: Any = error.schema
        known = list(node.get("properties", {}))
        given: Any = error.instance
        for key in given:
            if key not in known:
                yield (*path, key), f"there is no such value{_nearest(schema, key, known, path)}"
    else:
        yield path, _reason(error)


def _key_reason(path: KeyPath, error: ValidationError) -> str:
    key = str(error.instance)
    if path and path[-1] == "env" and key.startswith("AIRFLOW__"):
        section, _, name = key.removeprefix("AIRFLOW__").lower().partition("__")
        return (
            f"Airflow's settings go into config, where they are checked: config: {{{section}: "
            f"{{{name}: ...}}}}; one that is secret goes into secretEnv"
        )
    if error.validator == "not":
        # What is wrong with an option of Airflow is said by airflow_options.py.
        return "" if path and path[0] == "config" else "is the program's alone"
    return f"a key here must match {error.validator_value}"


def _nearest(schema: Mapping[str, Any], key: str, known: list[str], path: KeyPath) -> str:
    elsewhere = [
        f"{section}.{key}"
        for section, node in schema["properties"].items()
        if key in node.get("properties", {})
    ]
    if elsewhere and not path:
        return f"; there is {', '.join(elsewhere)}"
    by_lower = {one.lower(): one for one in known}
    near = difflib.get_close_matches(key.lower(), by_lower, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {dotted((*path, by_lower[near[0]]))}?"
    return f"; known are {', '.join(known)}" if known else ""


def _reason(error: ValidationError) -> str:
    value: Any = error.instance
    rule: Any = error.validator_value
    node: Any = error.schema
    match error.validator:
        case "type":
            kinds = [rule] if isinstance(rule, str) else rule
            wanted = " or ".join(_TYPES[kind] for kind in kinds)
            hint = ""
            if "string" in kinds and isinstance(value, (bool, int, float)):
                hint = "; put it in quotes"
            return f"must be {wanted}, not {_called(value)}{hint}"
        case "enum":
            near = difflib.get_close_matches(str(value), map(str, rule), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            return f"must be one of {', '.join(map(str, rule))}, not {value!r}{hint}"
        case "minimum" | "maximum":
            low, high = node.get("minimum"), node.get("maximum")
            if low is not None and high is not None:
                return f"must be between {low} and {high}, not {value}"
            return f"must be at {'least' if low is not None else 'most'} {rule}, not {value}"
        case "pattern":
            return f"must match {rule}, unlike {value!r}"
        case "minLength":
            return "must not be empty"
        case "maxLength":
            return f"must have at most {rule} characters"
        case "not":
            return f"{value!r} is taken by the chart itself"
        case _:
            return str(error.message)


def _called(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {value!r}" if len(value) <= 40 else "text"
        case list():
            return "a list"
        case None:
            return "nothing"
        case _:
            return "keys and values"
