"""Plain values to and from protobuf's Struct, with Pulumi's special keys.

The signatures are Pulumi's (sdk/go/common/resource/sig): a dict that carries one under
SIGNATURE stands for something that JSON cannot say.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf import struct_pb2

from sandbox.errors import EngineBug, Unsupported
from sandbox.wire.values import (
    UNKNOWN,
    Properties,
    ResourceReference,
    Secret,
    Value,
)

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e"
UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What stands for a value that is not known, whatever its type."""

# The other kinds' unknowns: a peer may send them, we send only the string.
_UNKNOWN_STRINGS = frozenset(
    {
        UNKNOWN_STRING,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # bool
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)


@dataclass(frozen=True)
class Keep:
    """The special values that the receiver understands; the rest is sent as its plain content."""

    secrets: bool = True
    resources: bool = True


def to_struct(properties: Mapping[str, Value], keep: Keep = Keep()) -> struct_pb2.Struct:
    """Properties as a protobuf Struct."""
    struct = struct_pb2.Struct()
    for key, value in properties.items():
        _write(struct.fields[key], value, keep)
    return struct


def from_struct(struct: struct_pb2.Struct) -> Properties:
    """A protobuf Struct as plain properties."""
    return {key: from_value(value) for key, value in struct.fields.items()}


def from_value(value: struct_pb2.Value) -> Value:
    """A protobuf Value as a plain value."""
    match value.WhichOneof("kind"):
        case "string_value":
            text = value.string_value
            return UNKNOWN if text in _UNKNOWN_STRINGS else text
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "bool_value":
            return value.bool_value
        case "list_value":
            return [from_value(inner) for inner in value.list_value.values]
        case "struct_value":
            return _from_object(value.struct_value)
        case _:
            return None


def _from_object(struct: struct_pb2.Struct) -> Value:
    plain = from_struct(struct)
    signature = plain.get(SIGNATURE)
    if signature is None:
        return plain
    if signature == SECRET:
        inner = plain.get("value")
        return inner if isinstance(inner, Secret) else Secret(inner)
    if signature == RESOURCE:
        # An empty id is how a preview says "custom, but not known yet".
        resource_id = plain.get("id")
        if resource_id == "":
            resource_id = UNKNOWN
        return ResourceReference(plain["urn"], resource_id, plain.get("packageVersion", ""))
    raise Unsupported(
        "The sandbox's providers do not take values of every kind",
        f"This one has the signature {signature}: an asset or an archive, it may be.",
    )


def _write(target: struct_pb2.Value, value: Value, keep: Keep) -> None:  # noqa: PLR0912 - one case a kind
    match value:
        case None:
            target.null_value = struct_pb2.NULL_VALUE
        case bool():
            target.bool_value = value
        case int() | float():
            target.number_value = value
        case str():
            target.string_value = value
        case list() | tuple():
            # Touch the list even if it is empty, or its kind would be unset.
            target.list_value.SetInParent()
            for inner in value:
                _write(target.list_value.values.add(), inner, keep)
        case Mapping():
            target.struct_value.SetInParent()
            for key, inner in value.items():
                _write(target.struct_value.fields[key], inner, keep)
        case _ if value is UNKNOWN:
            target.string_value = UNKNOWN_STRING
        case Secret():
            if keep.secrets:
                _write(target, {SIGNATURE: SECRET, "value": value.value}, keep)
            else:
                _write(target, value.value, keep)
        case ResourceReference():
            _write_reference(target, value, keep)
        case _:
            raise EngineBug("A value of this type cannot travel", type(value).__name__)


def _write_reference(target: struct_pb2.Value, value: ResourceReference, keep: Keep) -> None:
    if not keep.resources:
        _write(target, value.urn if value.resource_id is None else value.resource_id, keep)
        return
    fields: Properties = {SIGNATURE: RESOURCE, "urn": value.urn}
    if value.resource_id is not None:
        fields["id"] = "" if value.resource_id is UNKNOWN else value.resource_id
    if value.package_version:
        fields["packageVersion"] = value.package_version
    _write(target, fields, keep)
