"""What a configuration value must be: its type, its range, its form. Standard library only.

`settings.py` says which setting has which rule; here a text from Pulumi becomes a value, or a sentence
that says what is wrong with it.
"""

import base64
import binascii
import dataclasses
import difflib
import ipaddress
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Check = Callable[[Any], str | None]
"""Says what is wrong with a value, or nothing."""


@dataclass(frozen=True)
class Rule:
    """What a value must fulfil beyond its type."""

    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str | int, ...] = ()
    pattern: str = ""
    allowed: str = ""
    """The pattern in words."""
    check: Check | None = None


def setting(default: Any = dataclasses.MISSING, **rule: Any) -> Any:
    """A field with a rule; without a default the stack must set it."""

    metadata = {"rule": Rule(**rule)}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def secret(check: Check) -> Any:
    """A field that must be set, as a secret."""
    # repr=False: a traceback or a debugger's print must not show it.
    return dataclasses.field(repr=False, metadata={"rule": Rule(check=check)})


def check_network(value: str) -> str | None:
    """A private network that four subnets fit into."""

    try:
        network = ipaddress.IPv4Network(value)
    except ValueError as error:
        return f"must be an IPv4 network such as 10.20.0.0/16 ({error})"
    if not network.is_private:
        return "must be a private network (RFC 1918)"
    if not 16 <= network.prefixlen <= 22:
        return "must be between /16 and /22, so that four subnets of a useful size fit"
    return None


def check_networks(values: tuple[str, ...]) -> str | None:
    """Networks, of any kind."""

    if not values:
        return "must name at least one network"
    for value in values:
        try:
            ipaddress.IPv4Network(value)
        except ValueError as error:
            return f"must be a list of IPv4 networks ({error})"
    return None


def check_instance_types(values: tuple[str, ...]) -> str | None:
    """EC2 instance types, by form: which exist is AWS's knowledge."""

    if not values:
        return "must name at least one instance type"
    wrong = [value for value in values if not re.fullmatch(r"[a-z0-9-]+\.[a-z0-9-]+", value)]
    return f"must be EC2 instance types such as m7i.large, not {wrong[0]!r}" if wrong else None


def check_fernet(value: str) -> str | None:
    """Fernet keys. The answer never repeats the value."""

    # Several keys are allowed while one is being rotated: new,old.
    for key in value.split(","):
        try:
            raw = base64.b64decode(key, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) != 32:
            return "must be 32 bytes in URL-safe base64 (44 characters), or several with commas"
    return None


def at_least(length: int) -> Check:
    """A check of a text's length, which never repeats the text."""

    def check(value: str) -> str | None:
        return None if len(value) >= length else f"must have at least {length} characters"

    return check


def parse(spec: "dataclasses.Field[Any]", text: str) -> tuple[Any, str | None]:
    """The value of `text`, or what is wrong with it."""
    rule: Rule = spec.metadata["rule"]
    match type_name(spec):
        case "boolean":
            if text not in ("true", "false"):
                return None, "must be true or false"
            return text == "true", None
        case "integer":
            if not re.fullmatch(r"-?\d{1,9}", text):
                return None, "must be a whole number"
            return int(text), _check_number(rule, int(text))
        case "list":
            items = _list_of_strings(text)
            if items is None:
                return None, 'must be a JSON list of strings, such as ["a", "b"]'
            return items, rule.check(items) if rule.check else None
        case _:
            return text, _check_text(rule, text)


def _check_number(rule: Rule, number: int) -> str | None:
    if rule.choices and number not in rule.choices:
        return f"must be one of {', '.join(map(str, rule.choices))}"
    below = rule.minimum is not None and number < rule.minimum
    above = rule.maximum is not None and number > rule.maximum
    return f"must be between {rule.minimum} and {rule.maximum}" if below or above else None


def _check_text(rule: Rule, text: str) -> str | None:
    if rule.choices and text not in rule.choices:
        near = difflib.get_close_matches(text, map(str, rule.choices), n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return f"must be one of {', '.join(map(str, rule.choices))}{hint}"
    if rule.pattern and not re.fullmatch(rule.pattern, text):
        return f"must be {rule.allowed}"
    return rule.check(text) if rule.check else None


def _list_of_strings(text: str) -> tuple[str, ...] | None:
    try:
        items = json.loads(text)
    except ValueError:
        return None
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        return None
    return tuple(items)


def type_name(spec: "dataclasses.Field[Any]") -> str:
    return {bool: "boolean", int: "integer", str: "string"}.get(spec.type, "list")  # type: ignore[arg-type]
