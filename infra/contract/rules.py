"""What a configuration value must be: its type, its range, its form.

`settings.py` says which setting has which rule; here a text from Pulumi becomes a value, or words that
say what is wrong with it.
"""

import base64
import binascii
import dataclasses
import difflib
import ipaddress
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

Check = Callable[[Any], str | None]
"""Says what is wrong with a value, or nothing."""

Make = Callable[[], str]

TYPES: Mapping[Any, str] = {bool: "boolean", int: "integer", str: "string"}
"""How the types of fields are called; any other is a list."""


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


@dataclass(frozen=True)
class Setting:
    """A configuration key: what it means, and what its value must be."""

    key: str
    """In camelCase, without the namespace."""

    field: str
    type: str
    """boolean, integer, string or list."""

    doc: str
    rule: Rule
    default: Any = None
    required: bool = False
    make: Make | None = None
    """Makes up the value of a secret. One that is not required can be made up for what is deployed already."""
    secret: bool = False

    def parse(self, text: str) -> tuple[Any, str | None]:
        """The value of `text`, or what is wrong with it: `must be ...`."""
        rule = self.rule
        match self.type:
            case "boolean":
                if text not in ("true", "false"):
                    return None, "must be true or false"
                return text == "true", None
            case "integer":
                if not re.fullmatch(r"-?[0-9]{1,9}", text):
                    return None, "must be a whole number"
                return int(text), _check_number(rule, int(text))
            case "list":
                items = _list_of_strings(text)
                if items is None:
                    return None, 'must be a JSON list of strings, such as ["a", "b"]'
                return items, rule.check(items) if rule.check else None
            case _:
                return text, _check_text(rule, text)


def setting(default: Any, doc: str, **rule: Any) -> Any:
    """A field with a default, its explanation and its rule."""
    return dataclasses.field(default=default, metadata={"doc": doc, "rule": Rule(**rule)})


def required(doc: str, **rule: Any) -> Any:
    """A field that the stack must set."""
    return dataclasses.field(metadata={"doc": doc, "rule": Rule(**rule)})


def secret(doc: str, check: Check, make: Make) -> Any:
    """A field that the stack must set, as a secret; `make` makes one up."""
    # repr=False: a traceback or a debugger's print must not show it.
    return dataclasses.field(
        repr=False, metadata={"doc": doc, "rule": Rule(check=check), "make": make}
    )


def later_secret(doc: str, check: Check, make: Make) -> Any:
    """A secret that a stack can do without, and can be given when it is deployed already."""
    return dataclasses.field(
        default="", repr=False, metadata={"doc": doc, "rule": Rule(check=check), "make": make}
    )


def given_secret(doc: str, check: Check) -> Any:
    """A secret that only the user can know, and that a stack can do without."""
    return dataclasses.field(
        default="", repr=False, metadata={"doc": doc, "rule": Rule(check=check), "given": True}
    )


def settings_of(group: type) -> dict[str, Setting]:
    """The settings that a dataclass's fields declare, by key: its own, then those that it inherits."""
    found = {}
    inherited = {spec.name for base in group.__bases__ for spec in _fields(base)}
    for spec in sorted(dataclasses.fields(group), key=lambda spec: spec.name in inherited):
        needed = spec.default is dataclasses.MISSING
        made = Setting(
            _camel_case(spec.name),
            spec.name,
            TYPES.get(spec.type, "list"),
            " ".join(spec.metadata["doc"].split()),
            spec.metadata["rule"],
            None if needed else spec.default,
            needed,
            make := spec.metadata.get("make"),
            make is not None or "given" in spec.metadata,
        )
        found[made.key] = made
    return found


def _fields(group: type) -> tuple["dataclasses.Field[Any]", ...]:
    return dataclasses.fields(group) if dataclasses.is_dataclass(group) else ()


def _camel_case(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def may_hide_password(text: str) -> bool:
    """Whether a value, of a setting that is no secret, has a user before a host, as in alice:password@host: it is not repeated then."""
    return re.search(r':[^\s/"]*@|https?://[^\s"]*@', text) is not None


def fernet_key() -> str:
    """A key as cryptography's Fernet takes it: URL-safe base64 of 32 bytes."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def token(size: int) -> Make:
    """Makes texts of `size` random bytes that need no quoting anywhere."""
    return partial(secrets.token_urlsafe, size)


_RFC_1918 = [
    ipaddress.IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
]


def check_network(value: str) -> str | None:
    """A private network that four subnets fit into."""

    try:
        network = ipaddress.IPv4Network(value)
    except ValueError as error:
        return f"must be an IPv4 network such as 10.20.0.0/16 ({error})"
    # Not `is_private`: that holds for loopback, link-local and test networks, which AWS gives to no VPC.
    if not any(network.subnet_of(private) for private in _RFC_1918):
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


def check_servers(values: tuple[str, ...]) -> str | None:
    """Hosts with their ports."""
    for value in values:
        found = re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?:([0-9]{1,5})", value)
        if not found or not 0 < int(found[2]) < 65536:
            return f"must be a list of HOST:PORT such as airflow.example.org:443, not {value!r}"
    return None


def check_values_files(values: tuple[str, ...]) -> str | None:
    """Paths of YAML files in the project, so that every checkout finds them."""

    for value in values:
        if not _is_yaml_of_the_project(value):
            return f"must be paths in the project's folder that end in .yaml, not {value!r}"
    return None


def check_yaml_file(value: str) -> str | None:
    """One such path, or none."""

    if value and not _is_yaml_of_the_project(value):
        return "must be a path in the project's folder that ends in .yaml"
    return None


def _is_yaml_of_the_project(value: str) -> bool:
    path = PurePosixPath(value)
    inside = not path.is_absolute() and ".." not in path.parts
    return inside and re.fullmatch(r"[^\x00-\x1f]+\.yaml", value) is not None


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
