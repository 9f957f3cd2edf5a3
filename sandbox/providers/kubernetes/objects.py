"""The pure half of an object's life: names, annotations, inputs into manifests, live into outputs.

Used by `checks.py`, `diffs.py` and `lifecycle.py`; talks to nobody.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from sandbox.errors import UserError
from sandbox.wire.values import UNKNOWN, Properties, Secret, transform

AUTONAMED = "pulumi.com/autonamed"
SKIP_AWAIT = "pulumi.com/skipAwait"
TIMEOUT_SECONDS = "pulumi.com/timeoutSeconds"
PATCH_FORCE = "pulumi.com/patchForce"
FIELD_MANAGER = "pulumi.com/patchFieldManager"
PROPAGATION = "pulumi.com/deletionPropagationPolicy"

REFUSED_ANNOTATIONS = ("pulumi.com/waitFor", "pulumi.com/replaceUnready")
"""What pulumi-kubernetes would act on and the sandbox would not."""

_OWN_KEYS = ("__inputs", "__initialApiVersion", "__fieldManager")

# What the cluster alone writes: never a part of what a program asks for.
_READ_ONLY_METADATA = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)

# JSON schema keywords with dashes: a property of a program can not have them.
_DASHED = {
    f"x_kubernetes_{word.replace('-', '_')}": f"x-kubernetes-{word}"
    for word in (
        "embedded-resource",
        "int-or-string",
        "list-map-keys",
        "list-type",
        "map-type",
        "preserve-unknown-fields",
        "validations",
    )
}
_UNDERSCORED = {dashed: plain for plain, dashed in _DASHED.items()}


def annotation(inputs: Mapping[str, Any], key: str) -> str:
    """An annotation's value, '' if there is none or it is not known."""
    metadata = inputs.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    value = annotations.get(key) if isinstance(annotations, dict) else None
    return value if isinstance(value, str) else ""


def is_true(inputs: Mapping[str, Any], key: str) -> bool:
    return annotation(inputs, key).lower() == "true"


def autoname(name: str, seed: bytes) -> str:
    """NAME-8hex; the same seed gives the same name."""
    random = hashlib.sha256(seed + name.encode()).hexdigest() if seed else secrets.token_hex(4)
    return f"{name}-{random[:8]}"


def resource_id(live: Mapping[str, Any]) -> str:
    """NAMESPACE/NAME, or NAME alone."""
    metadata = live.get("metadata") or {}
    namespace, name = metadata.get("namespace"), metadata.get("name")
    return f"{namespace}/{name}" if namespace else str(name)


def split_id(identifier: str) -> tuple[str, str]:
    namespace, _, name = identifier.rpartition("/")
    return namespace, name


def field_manager(urn: str, inputs: Mapping[str, Any], old_outputs: Mapping[str, Any]) -> str:
    """Who owns the fields that this resource sets.

    Derived from the URN, where pulumi-kubernetes draws it by chance: a run that was killed
    before it could save then finds its own fields again, and no conflict with itself.
    """
    chosen = annotation(inputs, FIELD_MANAGER) or old_outputs.get("__fieldManager")
    if isinstance(chosen, str) and chosen:
        return chosen
    return f"pulumi-kubernetes-{hashlib.sha256(urn.encode()).hexdigest()[:8]}"


def manifest(inputs: Properties) -> Properties:
    """What to send for `inputs`."""
    body = transform(dict(inputs), lambda node: _renamed(node, _DASHED))
    return {key: value for key, value in body.items() if not key.startswith("__")}


def is_bare(body: Mapping[str, Any]) -> bool:
    """Whether a manifest says no more than what the object is called."""
    named = (body.get("metadata") or {}).keys() <= {"name", "namespace"}
    return named and body.keys() <= {"apiVersion", "kind", "metadata"}


def outputs(inputs: Properties, live: Mapping[str, Any], manager: str) -> Properties:
    """What the engine keeps: the live object, and the inputs as pulumi-kubernetes keeps them."""
    kept = transform(dict(live), lambda node: _renamed(node, _UNDERSCORED))
    metadata = dict(kept.get("metadata") or {})
    # Long, of use to the kube-apiserver only, and different after every change by anyone.
    metadata.pop("managedFields", None)
    kept["metadata"] = metadata
    kept = conceal(kept)
    kept["__inputs"] = conceal(inputs)
    kept["__initialApiVersion"] = str(live.get("apiVersion", ""))
    kept["__fieldManager"] = manager
    return kept


def conceal(properties: Properties) -> Properties:
    """A Secret's contents are secret, whatever the program said."""
    if properties.get("kind") != "Secret":
        return properties
    concealed = dict(properties)
    for key in ("data", "stringData"):
        if key in concealed and not isinstance(concealed[key], Secret):
            concealed[key] = Secret(concealed[key])
    return concealed


def live_of(old_outputs: Mapping[str, Any]) -> Properties:
    """The live object as it was last seen."""
    return {key: value for key, value in old_outputs.items() if key not in _OWN_KEYS}


def without_read_only(inputs: Properties) -> Properties:
    metadata = inputs.get("metadata")
    if not isinstance(metadata, dict):
        return inputs
    kept = {key: value for key, value in metadata.items() if key not in _READ_ONLY_METADATA}
    return {**inputs, "metadata": kept}


def secret_data(inputs: Mapping[str, Any]) -> Any:
    """A Secret's contents as `data` would give them: stringData wins, encoded."""
    data, text = inputs.get("data"), inputs.get("stringData")
    if data is UNKNOWN or text is UNKNOWN:
        return UNKNOWN
    encoded = {
        key: value if value is UNKNOWN else base64.b64encode(str(value).encode()).decode()
        for key, value in (text or {}).items()
    }
    return {**(data or {}), **encoded}


def timeout_of(inputs: Mapping[str, Any], asked: float, default: float) -> float:
    """How long to wait: what the program's options say, then the annotation, then `default`."""
    if asked > 0:
        return asked
    text = annotation(inputs, TIMEOUT_SECONDS)
    if not text:
        return default
    try:
        return float(text)
    except ValueError:
        raise UserError(f"The annotation {TIMEOUT_SECONDS} is {text!r}, not a number") from None


def drifted(inputs: Any, before: Any, now: Any) -> Any:
    """`inputs` with every value replaced that the cluster holds otherwise than it did `before`.

    Comparing with what the cluster said last, and not with the inputs, keeps the cluster's
    own way to write a value (1000m becomes 1) from looking like a change.
    """
    if isinstance(inputs, dict) and isinstance(now, dict):
        old = before if isinstance(before, dict) else {}
        merged = {}
        for key, value in inputs.items():
            if key in now:
                merged[key] = drifted(value, old.get(key), now[key])
            elif key not in old:
                merged[key] = value
        return merged
    return inputs if before == now else now


def _renamed(node: Any, names: Mapping[str, str]) -> Any:
    if isinstance(node, dict) and not names.keys().isdisjoint(node):
        return {names.get(key, key): value for key, value in node.items()}
    return node
