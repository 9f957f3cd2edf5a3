"""Pulumi.yaml and Pulumi.STACK.yaml, read and written as the Pulumi CLI does.

Secrets in the stack's file are `secure: v1:...`, encrypted with the key that the file's
`encryptionsalt` and the passphrase give; the bare string is what is encrypted.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.engine.state.files import write_whole
from sandbox.engine.state.passphrase import editing, settle
from sandbox.engine.state.secrets import Secrets
from sandbox.errors import UserError


@dataclass(frozen=True, slots=True)
class Project:
    """Pulumi.yaml."""

    name: str
    root: Path
    main: Path
    """The folder of the program."""

    virtualenv: Path | None
    defaults: Mapping[str, str]
    """Values that Pulumi.yaml gives to configuration keys, full names."""


@dataclass(frozen=True, slots=True)
class StackConfig:
    """Pulumi.STACK.yaml, or what is to become one. Values are texts, as programs get them;
    those in `secure` are still encrypted."""

    salt: str = ""
    plain: Mapping[str, str] = field(default_factory=dict)
    secure: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration of a run: full keys (`aws:region`), everything in clear."""

    values: Mapping[str, str]
    secret_keys: frozenset[str]


def read_project(folder: Path) -> Project:
    """The project in `folder`."""
    path = folder / "Pulumi.yaml"
    document = _load(path)
    if not document:
        raise UserError(f"There is no Pulumi project in {folder}", f"{path} is missing or empty.")
    name = document.get("name")
    if not isinstance(name, str) or not name:
        raise UserError(f"{path} gives the project no name")
    runtime = document.get("runtime")
    options: Mapping[str, Any] = {}
    if isinstance(runtime, dict):
        options = runtime.get("options") or {}
        runtime = runtime.get("name")
    if runtime != "python":
        raise UserError(
            f"The runtime of {path} is {runtime}", "The embedded engine runs Python programs only."
        )
    root = folder.resolve()
    main = root / str(document.get("main") or ".")
    virtualenv = options.get("virtualenv")
    return Project(
        name,
        root,
        main.resolve(),
        root / virtualenv if virtualenv else None,
        _defaults(name, document.get("config") or {}),
    )


def _defaults(project: str, declared: Mapping[str, Any]) -> dict[str, str]:
    values = {}
    for key, entry in declared.items():
        if isinstance(entry, dict):
            entry = entry.get("value", entry.get("default"))
        if entry is not None:
            values[full_key(project, key)] = _text(entry)
    return values


def stack_file(project_dir: Path, stack: str, config_file: Path | None = None) -> Path:
    """Where a stack's configuration lies."""
    return config_file or project_dir / f"Pulumi.{stack}.yaml"


def read_stack(path: Path, project: str) -> StackConfig:
    """A stack's configuration file; one that does not exist is empty."""
    settle(path)
    document = _load(path)
    entries = document.get("config") or {}
    if not isinstance(entries, dict):
        raise UserError(f"`config` in {path} is not a mapping")
    plain: dict[str, str] = {}
    secure: dict[str, Any] = {}
    for key, value in entries.items():
        name = full_key(project, str(key))
        if _holds_secret(value):
            secure[name] = value
        else:
            plain[name] = _text(value)
    return StackConfig(str(document.get("encryptionsalt") or ""), plain, secure)


def resolve(
    project: Project,
    stack: StackConfig,
    secrets: Secrets,
    overrides: Mapping[str, str],
    secret_overrides: Mapping[str, str],
) -> Config:
    """Everything together: defaults, the stack's file, then what the caller gives."""
    values = dict(project.defaults) | dict(stack.plain)
    secret_keys = set(stack.secure)
    for key, value in stack.secure.items():
        values[key] = _text(_decrypted(value, secrets))
    for key, text in overrides.items():
        values[full_key(project.name, key)] = text
    for key, text in secret_overrides.items():
        values[full_key(project.name, key)] = text
        secret_keys.add(full_key(project.name, key))
    return Config(values, frozenset(secret_keys))


def full_key(project: str, key: str) -> str:
    """`replicas` means the project's own; `aws:region` says whose it is."""
    return key if ":" in key else f"{project}:{key}"


def read_config(
    project_dir: Path, stack: str, config_file: Path | None, passphrase: str | None
) -> Config:
    """A stack's configuration in clear."""
    project = read_project(project_dir)
    stored = read_stack(stack_file(project_dir, stack, config_file), project.name)
    return resolve(project, stored, Secrets(passphrase, stored.salt), {}, {})


def opens_config(config_file: Path, passphrase: str) -> bool:
    """Whether this is the passphrase of a configuration file's secrets."""
    settle(config_file)
    try:
        Secrets(passphrase, str(_load(config_file).get("encryptionsalt") or "")).check()
    except UserError:
        return False
    return True


def set_config(
    project_dir: Path,
    stack: str,
    config_file: Path | None,
    key: str,
    value: str,
    *,
    secret: bool = False,
    passphrase: str | None = None,
) -> None:
    """Set one key in a stack's file; the rest of it stays."""
    project = read_project(project_dir)
    path = stack_file(project_dir, stack, config_file)
    values = {full_key(project.name, key): value}
    _write_values(path, values, values if secret else {}, passphrase)


def encrypt_config(passphrase: str, config_file: Path, values: Mapping[str, str]) -> None:
    """Write these (full) keys as secrets, with the file's salt or a new one."""
    _write_values(config_file, values, values, passphrase)


def _write_values(
    path: Path, values: Mapping[str, str], secret: Mapping[str, str], passphrase: str | None
) -> None:
    with editing(path):
        _write_values_alone(path, values, secret, passphrase)


def _write_values_alone(
    path: Path, values: Mapping[str, str], secret: Mapping[str, str], passphrase: str | None
) -> None:
    import yaml

    settle(path)
    document = _load(path)
    entries = document.setdefault("config", {})
    secrets = Secrets(passphrase, str(document.get("encryptionsalt") or ""))
    for key, value in values.items():
        entries[key] = {"secure": secrets.encrypt(value)} if key in secret else value
    if secrets.salt:
        document = {"encryptionsalt": secrets.salt} | document
    try:
        write_whole(path, yaml.safe_dump(document, sort_keys=False).encode())
    except OSError as error:
        raise UserError(f"{path} cannot be written", error.strerror or str(error)) from error


def _load(path: Path) -> dict[str, Any]:
    import yaml

    try:
        text = path.read_text()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(f"{path} cannot be read", error.strerror or str(error)) from error
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{path} is no YAML", str(error)) from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise UserError(f"{path} is not a mapping")
    return document


def _text(value: Any) -> str:
    """A value as programs get it: everything but texts as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _holds_secret(value: Any) -> bool:
    if isinstance(value, dict):
        is_secret = set(value) == {"secure"} and isinstance(value["secure"], str)
        return is_secret or any(map(_holds_secret, value.values()))
    return isinstance(value, list) and any(map(_holds_secret, value))


def _decrypted(value: Any, secrets: Secrets) -> Any:
    if isinstance(value, dict):
        if set(value) == {"secure"} and isinstance(value["secure"], str):
            return secrets.decrypt(value["secure"])
        return {key: _decrypted(inner, secrets) for key, inner in value.items()}
    if isinstance(value, list):
        return [_decrypted(inner, secrets) for inner in value]
    return value
