"""Pulumi's checkpoint (version 3 JSON): the one form in which resources are stored.

Used for the checkpoint itself, for `export`, and for the lines of the journal. Secrets are
encrypted on the way out; nothing here touches a file.
"""

import json
from collections.abc import Mapping
from typing import Any

from sandbox.engine.model.resource import Options, State, Timeouts
from sandbox.engine.state.secrets import Secrets
from sandbox.errors import EngineBug, UserError
from sandbox.wire.marshal import ARCHIVE, ASSET, RESOURCE, SECRET, SIGNATURE, UNKNOWN_STRING
from sandbox.wire.values import (
    UNKNOWN,
    Archive,
    Asset,
    Output,
    Properties,
    ResourceReference,
    Secret,
    Value,
)

Json = dict[str, Any]


def encode_state(state: State, secrets: Secrets) -> Json:
    """A resource as Pulumi writes it; what is empty is left out."""
    options = state.options
    document: Json = {"urn": state.urn, "custom": state.custom}
    optional = {
        "delete": state.delete,
        "id": state.id,
        "type": state.type,
        "inputs": encode(state.inputs, secrets),
        "outputs": encode(state.outputs, secrets),
        "parent": state.parent,
        "protect": options.protect,
        "external": state.external,
        "dependencies": list(state.dependencies),
        "initErrors": list(state.init_errors),
        "provider": state.provider,
        "propertyDependencies": {k: list(v) for k, v in state.property_dependencies.items()},
        "pendingReplacement": state.pending_replacement,
        "additionalSecretOutputs": list(options.additional_secret_outputs),
        "importID": state.import_id,
        "retainOnDelete": options.retain_on_delete,
        "deletedWith": options.deleted_with,
        "created": state.created,
        "modified": state.modified,
        "sourcePosition": state.source_position,
        "ignoreChanges": list(options.ignore_changes),
        "replaceOnChanges": list(options.replace_on_changes),
    }
    document.update({key: value for key, value in optional.items() if value})
    timeouts = options.timeouts
    if timeouts != Timeouts():
        document["customTimeouts"] = {
            "create": timeouts.create,
            "update": timeouts.update,
            "delete": timeouts.delete,
        }
    return document


def decode_state(document: Mapping[str, Any], secrets: Secrets) -> State:
    """The inverse of `encode_state`; keys of newer Pulumi versions are passed over."""
    get = document.get
    timeouts = get("customTimeouts") or {}
    options = Options(
        protect=bool(get("protect")),
        retain_on_delete=bool(get("retainOnDelete")),
        deleted_with=get("deletedWith") or "",
        ignore_changes=tuple(get("ignoreChanges") or ()),
        replace_on_changes=tuple(get("replaceOnChanges") or ()),
        additional_secret_outputs=tuple(get("additionalSecretOutputs") or ()),
        timeouts=Timeouts(
            float(timeouts.get("create") or 0),
            float(timeouts.get("update") or 0),
            float(timeouts.get("delete") or 0),
        ),
    )
    return State(
        urn=document["urn"],
        type=document["type"],
        custom=bool(get("custom")),
        id=get("id") or "",
        inputs=decode(get("inputs") or {}, secrets),
        outputs=decode(get("outputs") or {}, secrets),
        parent=get("parent") or "",
        provider=get("provider") or "",
        dependencies=tuple(get("dependencies") or ()),
        property_dependencies={
            key: tuple(urns or ()) for key, urns in (get("propertyDependencies") or {}).items()
        },
        options=options,
        import_id=get("importID") or "",
        external=bool(get("external")),
        delete=bool(get("delete")),
        pending_replacement=bool(get("pendingReplacement")),
        init_errors=tuple(get("initErrors") or ()),
        created=get("created") or "",
        modified=get("modified") or "",
        source_position=get("sourcePosition") or "",
    )


def encode(value: Value, secrets: Secrets) -> Any:
    """A value as JSON, with Pulumi's signatures for what JSON cannot say."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case dict():
            return {key: encode(inner, secrets) for key, inner in value.items()}
        case list():
            return [encode(inner, secrets) for inner in value]
        case Secret():
            text = json.dumps(_plain(value.value), separators=(",", ":"))
            return {SIGNATURE: SECRET, "ciphertext": secrets.encrypt(text)}
        case Output():
            return encode(Secret(value.value) if value.secret else value.value, secrets)
    return _special(value)


def _plain(value: Value) -> Any:
    """What lies inside a secret: JSON again, with no further encryption."""
    match value:
        case dict():
            return {key: _plain(inner) for key, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case Secret() | Output():
            return _plain(value.value)
        case None | bool() | int() | float() | str():
            return value
    return _special(value)


def _special(value: Value) -> Any:
    match value:
        case _ if value is UNKNOWN:
            return UNKNOWN_STRING
        case ResourceReference():
            reference: Json = {SIGNATURE: RESOURCE, "urn": value.urn}
            if value.resource_id is not None:
                known = value.resource_id is not UNKNOWN
                reference["id"] = value.resource_id if known else UNKNOWN_STRING
            if value.package_version:
                reference["packageVersion"] = value.package_version
            return reference
        case Asset():
            fields: Json = {"text": value.text, "path": value.path, "uri": value.uri}
            signature = ASSET
        case Archive():
            assets = value.assets
            inner = None if assets is None else {key: _special(part) for key, part in assets}
            fields = {"assets": inner, "path": value.path, "uri": value.uri}
            signature = ARCHIVE
        case _:
            raise EngineBug("A value of this type cannot be stored", type(value).__name__)
    present = {key: inner for key, inner in fields.items() if inner is not None}
    return {SIGNATURE: signature, "hash": value.sha256, **present}


def decode(value: Any, secrets: Secrets) -> Value:
    """The inverse of `encode`."""
    if isinstance(value, dict):
        signature = value.get(SIGNATURE)
        if signature is None:
            return {key: decode(inner, secrets) for key, inner in value.items()}
        return _decode_special(signature, value, secrets)
    if isinstance(value, list):
        return [decode(inner, secrets) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _decode_special(signature: str, value: Json, secrets: Secrets) -> Value:
    if signature == SECRET:
        if "ciphertext" in value:
            text = secrets.decrypt(value["ciphertext"])
        else:
            # `pulumi stack export --show-secrets` writes them in clear.
            text = value.get("plaintext", "null")
        return Secret(decode(json.loads(text), secrets))
    if signature == RESOURCE:
        return ResourceReference(value["urn"], value.get("id"), value.get("packageVersion", ""))
    if signature == ASSET:
        return Asset(value.get("text"), value.get("path"), value.get("uri"), value.get("hash", ""))
    if signature == ARCHIVE:
        assets = value.get("assets")
        parts = (
            None
            if assets is None
            else tuple((key, decode(part, secrets)) for key, part in assets.items())
        )
        return Archive(parts, value.get("path"), value.get("uri"), value.get("hash", ""))
    raise UserError("The state holds a value of an unknown kind", str(signature))


def decode_properties(value: Any, secrets: Secrets) -> Properties:
    decoded: Properties = decode(value or {}, secrets)
    return decoded
