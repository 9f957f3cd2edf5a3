"""Whether a chart accepts the values given to it, as far as they are known.

Used by Check, so that a wrong value stops a run before it changed anything. Messages name
the place and the rule, never the value: it may be a secret.
"""

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.providers.contract import CheckFailure
from sandbox.providers.kubernetes.helm.chart import Chart
from sandbox.wire.values import UNKNOWN, has_unknowns

# Rules about the whole of a value: with a part of it unknown, they prove nothing.
_ABOUT_THE_WHOLE = frozenset({"allOf", "anyOf", "const", "enum", "if", "not", "oneOf"})


def problems(chart: Chart, values: Mapping[str, Any]) -> list[CheckFailure]:
    """What values.schema.json has against `values` on top of the chart's own."""
    if chart.schema is None:
        return []
    # A tenth of a second to load, and only needed when values or chart changed.
    from jsonschema.validators import validator_for

    merged = merge(chart.values, values)
    validator = validator_for(chart.schema)(chart.schema)
    found = [
        failure
        for error in validator.iter_errors(merged)
        for failure in _explain(error, chart)
        if not _undecidable(error)
    ]
    return sorted(set(found), key=lambda failure: failure.property)


def merge(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Values as Helm combines them: a null takes a default away."""
    merged = dict(defaults)
    for key, value in given.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _undecidable(error: Any) -> bool:
    if error.instance is UNKNOWN:
        return True
    return error.validator in _ABOUT_THE_WHOLE and has_unknowns(error.instance)


def _explain(error: Any, chart: Chart) -> Iterator[CheckFailure]:
    place = ".".join(["values", *(str(part) for part in error.absolute_path)])
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(error.schema.get("properties", {}))
        for key in sorted(error.instance.keys() - set(known)):
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else f"; it knows {', '.join(known)}"
            yield CheckFailure(f"{place}.{key}", f"chart {chart.name} has no such value{hint}")
        return
    if error.validator == "required" and isinstance(error.instance, dict):
        for key in error.validator_value:
            if key not in error.instance:
                yield CheckFailure(f"{place}.{key}", f"chart {chart.name} needs this value")
        return
    yield CheckFailure(place, _rule(str(error.validator), error.validator_value))


def _rule(validator: str, wanted: Any) -> str:
    match validator:
        case "type":
            names = wanted if isinstance(wanted, list) else [wanted]
            return f"must be of type {' or '.join(names)}"
        case "enum":
            return f"must be one of {', '.join(json.dumps(choice) for choice in wanted)}"
        case "const":
            return f"must be {json.dumps(wanted)}"
        case "pattern":
            return f"must match {wanted}"
        case "minimum" | "exclusiveMinimum":
            return f"must be at least {wanted}"
        case "maximum" | "exclusiveMaximum":
            return f"must be at most {wanted}"
        case "minLength":
            return f"must have at least {wanted} characters"
        case "maxLength":
            return f"must have at most {wanted} characters"
        case _:
            return f"breaks the rule {validator} of values.schema.json"
