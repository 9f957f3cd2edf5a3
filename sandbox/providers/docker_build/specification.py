"""The arguments of an Image as data, and what among them the sandbox does not do.

Pure but for looking where files are. Used by `provider.py`.
"""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.errors import Unsupported, UserError
from sandbox.wire.values import UNKNOWN

TYPE = "docker-build:index:Image"

_SUPPORTED = frozenset(
    {
        "addHosts",
        "buildArgs",
        "context",
        "dockerfile",
        "exports",
        "labels",
        "noCache",
        "pull",
        "push",
        "secrets",
        "tags",
        "target",
    }
)
"""What decides what is built and where it goes: a change of any of it is an update."""

_WITHOUT_EFFECT = frozenset(
    {
        # Layers are kept on this machine between builds anyway.
        "cacheFrom",
        "ignoreSecretsInDiffCalculation",
        # The sandbox's registry asks for no login.
        "registries",
    }
)

_MACHINES = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}


@dataclass(frozen=True)
class Build:
    """One build. `secrets` and `arguments` never stand on a command line."""

    context: Path
    file: Path | None
    inline: str
    tags: tuple[str, ...]
    push: bool
    arguments: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    add_hosts: tuple[str, ...] = ()
    target: str = ""
    no_cache: bool = False
    pull: bool = False


def refuse_unsupported(inputs: Mapping[str, Any]) -> None:
    """Unsupported, by name, for what would be built otherwise than asked."""
    for key, value in inputs.items():
        taken = key in _SUPPORTED and key != "exports"
        if taken or key in _WITHOUT_EFFECT or value in (None, False, "", [], {}, UNKNOWN):
            continue
        match key, value:
            case "network", "default" | "host":
                continue
            case "exports", list() if all(one == {"cacheonly": {}} for one in value):
                continue
            case "exports", _:
                reason = (
                    "An image goes to the registry (push), or stays where it was built (cacheonly)."
                )
            case "buildOnPreview", _:
                reason = "A preview in the sandbox builds nothing."
            case "platforms", list() if _here() in value and len(value) == 1:
                continue
            case "platforms", _:
                reason = f"It builds for this machine only: {_here()}."
            case _:
                reason = "What it does not do as the real provider does, it refuses."
        raise Unsupported(
            f"The sandbox's docker-build provider does not know {key} = {value!r}"
            if key in ("network", "platforms", "buildOnPreview")
            else f"The sandbox's docker-build provider does not know the argument {key}",
            reason,
        )
    context = inputs.get("context")
    if isinstance(context, dict) and context.get("named"):
        raise Unsupported("The sandbox's docker-build provider does not know context.named")


def relevant(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `inputs` that decides what is built and where it goes."""
    ignored = inputs.get("ignoreSecretsInDiffCalculation") or ()
    kept = {
        k: v for k, v in inputs.items() if k in _SUPPORTED and v not in (None, False, "", [], {})
    }
    if isinstance(kept.get("secrets"), dict):
        kept["secrets"] = {k: v for k, v in kept["secrets"].items() if k not in ignored}
    return kept


def build_of(inputs: Mapping[str, Any]) -> Build:
    """The build that `inputs`, all of them known, ask for. UserError if files are missing."""
    context = folder_of(inputs)
    file, inline = file_of(inputs)
    tags = tuple(str(tag) for tag in inputs.get("tags") or ())
    push = bool(inputs.get("push"))
    if push and not tags:
        raise UserError("An image that is to be pushed needs a tag", "Give `tags` at least one.")
    return Build(
        context=context,
        file=file,
        inline=inline,
        tags=tags,
        push=push,
        arguments=_texts(inputs.get("buildArgs")),
        labels=_texts(inputs.get("labels")),
        secrets=_texts(inputs.get("secrets")),
        add_hosts=tuple(str(host) for host in inputs.get("addHosts") or ()),
        target=str(inputs.get("target") or ""),
        no_cache=bool(inputs.get("noCache")),
        pull=bool(inputs.get("pull")),
    )


def folder_of(inputs: Mapping[str, Any]) -> Path:
    """The build context, from the program's folder, where the engine starts providers."""
    location = (inputs.get("context") or {}).get("location") or "."
    folder = Path(str(location)).resolve()
    if not folder.is_dir():
        raise UserError(f"There is no build context {location}", f"Looked at {folder}.")
    return folder


def file_of(inputs: Mapping[str, Any]) -> tuple[Path | None, str]:
    """(the Containerfile, '') or (None, its text)."""
    dockerfile = inputs.get("dockerfile") or {}
    if dockerfile.get("inline"):
        return None, str(dockerfile["inline"])
    if dockerfile.get("location"):
        candidates = [Path(str(dockerfile["location"])).resolve()]
    else:
        candidates = [folder_of(inputs) / name for name in ("Containerfile", "Dockerfile")]
    for candidate in candidates:
        if candidate.is_file():
            return candidate, ""
    tried = ", ".join(str(candidate) for candidate in candidates)
    raise UserError("The build's Containerfile is missing", f"Looked for {tried}.")


def places_known(inputs: Mapping[str, Any]) -> bool:
    """Whether it is known already which files the build takes."""
    for key in ("context", "dockerfile"):
        part = inputs.get(key)
        if part is UNKNOWN or (isinstance(part, dict) and UNKNOWN in part.values()):
            return False
    return True


def _here() -> str:
    return _MACHINES.get(platform.machine(), f"linux/{platform.machine()}")


def _texts(value: Any) -> dict[str, str]:
    return {str(key): str(text) for key, text in (value or {}).items()}
