"""A kubeconfig, read as client-go reads it: which server, whom to trust, who to be.

Used by `provider.py` at Configure. Reading it contacts nothing and runs nothing; an exec
plugin's command is kept as data for `credentials.py`.
"""

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.errors import UserError


@dataclass(frozen=True)
class ExecPlugin:
    """A command that prints an ExecCredential (client-go's credential plugin)."""

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    api_version: str = "client.authentication.k8s.io/v1beta1"


@dataclass(frozen=True)
class Connection:
    """One context of a kubeconfig. Keys and tokens are never shown: no repr of them."""

    server: str
    namespace: str = ""
    ca: bytes = b""
    insecure: bool = False
    tls_server_name: str = ""
    client_certificate: bytes = field(default=b"", repr=False)
    client_key: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)
    exec_plugin: ExecPlugin | None = None


def load(text: str, context: str = "", cluster: str = "") -> Connection:
    """The connection that `text` (a path, or a kubeconfig itself) describes."""
    document, folder = _document(text)
    contexts = _named(document, "contexts", "context")
    name = context or str(document.get("current-context") or "")
    if name not in contexts:
        known = ", ".join(sorted(contexts)) or "none"
        raise UserError(f"The kubeconfig has no context {name!r}", f"It has: {known}.")
    chosen = contexts[name]
    server = _entry(document, "clusters", "cluster", cluster or str(chosen.get("cluster", "")))
    user = _entry(document, "users", "user", str(chosen.get("user", "")))
    for unsupported in ("auth-provider", "username", "as"):
        if user.get(unsupported):
            raise UserError(
                f"The kubeconfig's user has {unsupported!r}, which the sandbox does not use",
                "It knows client certificates, tokens and exec plugins.",
            )
    return Connection(
        server=str(server.get("server", "")),
        namespace=str(chosen.get("namespace") or ""),
        ca=_content(server, "certificate-authority", folder),
        insecure=bool(server.get("insecure-skip-tls-verify")),
        tls_server_name=str(server.get("tls-server-name") or ""),
        client_certificate=_content(user, "client-certificate", folder),
        client_key=_content(user, "client-key", folder),
        token=_token(user, folder),
        exec_plugin=_exec_plugin(user),
    )


def ambient() -> str:
    """The kubeconfig that kubectl would take: KUBECONFIG, else ~/.kube/config, else ''."""
    for path in os.environ.get("KUBECONFIG", "").split(":"):
        if path and Path(path).is_file():
            return path
    default = Path.home() / ".kube" / "config"
    return str(default) if default.is_file() else ""


def _document(text: str) -> tuple[Mapping[str, Any], Path]:
    stripped = text.strip()
    folder = Path.cwd()
    if not stripped.startswith("{") and "\n" not in stripped:
        path = Path(stripped).expanduser()
        try:
            stripped, folder = path.read_text(), path.resolve().parent
        except OSError as error:
            raise UserError(
                f"The kubeconfig {path} can not be read", error.strerror or ""
            ) from error
    document = _parse(stripped)
    if not isinstance(document, dict) or "clusters" not in document:
        raise UserError("The kubeconfig is not one", "It lists no clusters.")
    return document, folder


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    # Only for those that need it: most kubeconfigs of a program are JSON.
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        # The parser quotes the line it stumbled on, and that line may be a key.
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "some line"
        raise UserError(f"The kubeconfig is neither JSON nor YAML: see {where}") from None


def _named(document: Mapping[str, Any], plural: str, singular: str) -> dict[str, Any]:
    entries = document.get(plural) or []
    return {str(e.get("name")): e.get(singular) or {} for e in entries if isinstance(e, dict)}


def _entry(document: Mapping[str, Any], plural: str, singular: str, name: str) -> dict[str, Any]:
    found = _named(document, plural, singular).get(name)
    if found is None:
        raise UserError(f"The kubeconfig's context names a {singular} {name!r} that it has not")
    return dict(found)


def _content(entry: Mapping[str, Any], key: str, folder: Path) -> bytes:
    """`KEY-data` decoded, or the file that `KEY` names, relative to the kubeconfig."""
    try:
        if entry.get(f"{key}-data"):
            return base64.b64decode(str(entry[f"{key}-data"]))
        if entry.get(key):
            return (folder / str(entry[key])).read_bytes()
    except (OSError, ValueError) as error:
        raise UserError(f"The kubeconfig's {key} can not be read", type(error).__name__) from error
    return b""


def _token(user: Mapping[str, Any], folder: Path) -> str:
    if user.get("tokenFile"):
        try:
            return (folder / str(user["tokenFile"])).read_text().strip()
        except OSError as error:
            raise UserError(
                "The kubeconfig's tokenFile can not be read", error.strerror or ""
            ) from error
    return str(user.get("token") or "")


def _exec_plugin(user: Mapping[str, Any]) -> ExecPlugin | None:
    found = user.get("exec")
    if not found:
        return None
    return ExecPlugin(
        command=str(found.get("command", "")),
        args=tuple(str(argument) for argument in found.get("args") or ()),
        env={str(e["name"]): str(e["value"]) for e in found.get("env") or ()},
        api_version=str(found.get("apiVersion") or ExecPlugin.api_version),
    )
