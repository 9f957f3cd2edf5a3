"""Between the protocol's messages and the contract's dataclasses: what is not one to one."""

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from google.protobuf import struct_pb2

from sandbox.wire.marshal import from_struct
from sandbox.wire.values import Properties, Secret, has_secrets, reveal


def keep_secret(before: Mapping[str, Any], after: Properties) -> Properties:
    """`after` with what is secret in `before` marked again, by top-level key.

    A value that came back unchanged keeps its inner marks; one that changed becomes secret
    as a whole.
    """
    marked = dict(after)
    for key, original in before.items():
        if key not in marked or isinstance(marked[key], Secret):
            continue
        if not has_secrets(original):
            continue
        same = reveal(original) == reveal(marked[key])
        marked[key] = original if same else Secret(reveal(marked[key]))
    return marked


def plain(struct: struct_pb2.Struct) -> Properties:
    revealed: Properties = reveal(from_struct(struct))
    return revealed


def decode(inputs: Properties, text: frozenset[str]) -> Properties:
    """Provider inputs: Pulumi sends all but strings as JSON inside a string."""
    decoded = {}
    for key, value in inputs.items():
        if isinstance(value, str) and key not in text:
            with contextlib.suppress(ValueError):
                value = json.loads(value)
        decoded[key] = value
    return decoded


def type_of(request: Any) -> str:
    if request.type:
        return str(request.type)
    # urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME; older engines send only this.
    return str(request.urn.split("::")[2].rpartition("$")[2])
