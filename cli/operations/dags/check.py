"""`dags check`: a folder of DAG files, parsed where they will run, or as near to it as there is.

If the environment is deployed, a pod that parses its DAGs does it: its image, its settings, none of
its secrets. Otherwise a Python environment on this machine, from the lock of the image's packages:
the same Airflow, but not the Debian packages of the image.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cli.base.errors import KitError, UserError
from cli.base.paths import ROOT, cache_dir
from cli.base.uv import uv
from cli.operations.dags import image
from cli.operations.live import Live

IMAGE = ROOT / "images" / "airflow"
SCRIPTS = IMAGE / "scripts"
OWNERS = "AERODROME_OWNERS"
PARTS = ("check_dags.py", "dag_parsing.py", "dag_limits.py")

_UNPACK = """
import os, subprocess, sys, tarfile, tempfile
with tempfile.TemporaryDirectory(prefix="dags-check-") as folder:
    tarfile.open(fileobj=sys.stdin.buffer, mode="r|").extractall(folder)
    secret = ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__FERNET_KEY",
              "AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY")
    own = {key: text for key, text in os.environ.items() if key not in secret}
    if os.path.isdir(folder + "/plugins"):
        own["AIRFLOW__CORE__PLUGINS_FOLDER"] = folder + "/plugins"
    command = [sys.executable, folder + "/scripts/check_dags.py", folder + "/dags", "--json", "--strict"]
    command += ["--variables", folder + "/variables.json", *sys.argv[1:]]
    sys.exit(subprocess.run(command, env=own).returncode)
"""
"""Runs in the pod: nothing stays there. The checked files get none of the environment's secrets."""


@dataclass(frozen=True)
class CheckResult:
    """What the check found, and where it looked."""

    where: str
    found: Mapping[str, Any]

    @property
    def problems(self) -> list[dict[str, Any]]:
        return list(self.found["problems"])

    def data(self) -> dict[str, Any]:
        return {"where": self.where, **self.found}


def values(path: Path | None) -> dict[str, Any]:
    """The Variables and Connections of a JSON or YAML file. UserError if it is not of that form."""
    if path is None:
        return {}
    form = "It has the keys `variables` (NAME: value) and `connections` (NAME: a URI, or fields)."
    try:
        found = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UserError(f"{path} cannot be read", str(error.strerror)) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        # Not the error's own text: it quotes the file, and there are passwords in it.
        mark = getattr(error, "problem_mark", None)
        where = f"Line {mark.line + 1} is wrong." if mark else ""
        raise UserError(f"{path} is neither JSON nor YAML", where) from error
    if not isinstance(found, dict) or set(found) - {"variables", "connections"}:
        raise UserError(f"{path} is no file of Variables and Connections", form)
    for kind, content in found.items():
        if not isinstance(content, dict):
            raise UserError(f"`{kind}` in {path} is no mapping of names", form)
    connections = {}
    for name, item in (found.get("connections") or {}).items():
        fields = {"uri": item} if isinstance(item, str) else item
        if not isinstance(fields, dict) or set(fields) - _FIELDS:
            raise UserError(
                f'The connection "{name}" in {path} is neither a URI nor fields of a connection',
                f"Fields: {', '.join(sorted(_FIELDS))}.",
            )
        connections[str(name)] = fields
    variables = {
        str(name): item if isinstance(item, str) else json.dumps(item)
        for name, item in (found.get("variables") or {}).items()
    }
    return {"variables": variables, "connections": connections, "complete": True}


def with_declared(given: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Those that a file gives, over those that the environment's values declare.

    What is secret there stays there: such a variable counts as missing while a file is imported, and such a
    connection has no password.
    """
    variables: dict[str, str] = {}
    for name, one in known.get("variables", {}).items():
        if isinstance(one, str):
            variables[name] = one
        elif "value" in one:
            variables[name] = str(one["value"])
        elif "json" in one:
            variables[name] = json.dumps(one["json"])
    connections = {
        name: {"conn_type": one["type"], **{key: one[key] for key in _PLAIN if key in one}}
        for name, one in known.get("connections", {}).items()
    }
    return {
        **given,
        "variables": {**variables, **given.get("variables", {})},
        "connections": {**connections, **given.get("connections", {})},
    }


_PLAIN = ("host", "schema", "login", "port", "extra")
_FIELDS = {"uri", "conn_type", "host", "schema", "login", "password", "port", "extra"}


def folder(path: Path) -> Path:
    """The folder to check. UserError if there is none."""
    if not path.is_dir():
        raise UserError(
            f"{path} is {'no folder' if path.exists() else 'not there'}",
            "DAG files are checked with the folder that they import from.",
            f"./aerodrome dags check {image.FOLDER.relative_to(ROOT)}",
        )
    return path


def in_pod(
    live: Live, dags: Path, given: Mapping[str, Any], only: Collection[str] | None = None
) -> CheckResult:
    """In the environment's own dag-processor: all files of the folder, or some."""
    pod = image.processor(live)
    if pod is None:
        raise KitError(
            f'No dag-processor of "{live.environment.name}" runs',
            "It is where its DAG files are parsed.",
            "./aerodrome dags check --local",
        )
    name = str(pod["metadata"]["name"])
    code, output, errors = live.kubernetes.kubectl.pipe(
        _packed(dags, given),
        "exec",
        "--stdin",
        name,
        f"--container={image.PROCESSOR}",
        "--",
        "python",
        "-c",
        _UNPACK,
        *([] if only is None else ["--only", json.dumps(sorted(only))]),
    )
    return CheckResult(f"pod {name}", _read(code, output, errors))


def _packed(dags: Path, given: Mapping[str, Any]) -> bytes:
    """An archive of all that the check needs, at any version of the image."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for part in PARTS:
            archive.add(SCRIPTS / part, f"scripts/{part}")
        archive.add(dags, "dags", filter=_without_caches)
        if (plugins := IMAGE / "plugins").is_dir():
            archive.add(plugins, "plugins", filter=_without_caches)
        content = json.dumps(given).encode()
        entry = tarfile.TarInfo("variables.json")
        entry.size, entry.mode = len(content), 0o600
        archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _without_caches(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if "__pycache__" in Path(entry.name).parts:
        return None
    # Links out of the folder, devices: nothing that an image would get.
    return entry if entry.isfile() or entry.isdir() or entry.issym() else None


def here(
    dags: Path, given: Mapping[str, Any], report: Callable[[str], None], owners: str = ""
) -> CheckResult:
    """On this machine, with the packages that the image's lock names. `owners`: who may own which DAG, if anything
    is said of it."""
    python = environment(report) / "bin" / "python"
    with tempfile.TemporaryDirectory(prefix="aerodrome-dags-") as home:
        shutil.copy(IMAGE / "airflow.cfg", home)
        file = Path(home) / "variables.json"
        file.write_text(json.dumps(given))
        kept = ("PATH", "HOME", "LANG", "TZ", "SSL_CERT_FILE")
        own = {key: os.environ[key] for key in kept if key in os.environ}
        own |= {"AIRFLOW_HOME": home, "PYTHONDONTWRITEBYTECODE": "1"}
        if owners:
            # The policy is a package of the image.
            own |= {OWNERS: owners, "PYTHONPATH": str(IMAGE / "policy")}
        if (plugins := IMAGE / "plugins").is_dir():
            own["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(plugins)
        command = [python, SCRIPTS / "check_dags.py", dags.resolve(), "--json", "--strict"]
        done = subprocess.run(
            [*map(str, command), "--variables", str(file)],
            env=own,
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
        )
    where = "this machine, with the packages of the image's lock"
    return CheckResult(where, _read(done.returncode, done.stdout, done.stderr))


def environment(report: Callable[[str], None], lock: Path = IMAGE / "requirements.txt") -> Path:
    """A Python environment with a lock's packages, the image's by default, made once for each lock."""
    name = image.content(lock)[:16]
    target = cache_dir() / "airflow" / f"{name}-{sys.version_info[0]}.{sys.version_info[1]}"
    if target.is_dir():
        return target
    report(f"installing the packages of {lock.relative_to(ROOT)} into {target}, once")
    target.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=target.parent))
    python = str(new / "bin" / "python")
    steps = [
        [sys.executable, "-m", "venv", "--without-pip", str(new)],
        [
            *(str(uv()), "pip", "install", "-q", "--python", python),
            *("--require-hashes", "--only-binary", ":all:", "-r", str(lock)),
        ],
    ]
    try:
        for step in steps:
            settings = {**os.environ, "UV_SYSTEM_CERTS": "1", "UV_NO_PROGRESS": "1"}
            done = subprocess.run(step, capture_output=True, text=True, check=False, env=settings)
            if done.returncode:
                raise KitError(
                    "The image's packages cannot be installed on this machine",
                    f"{' '.join(step)}\n{(done.stderr or done.stdout).strip()[-2000:]}",
                    "./aerodrome up",
                )
        # Another run may have been faster; its environment is the same.
        if not target.is_dir():
            new.rename(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return target


def _read(code: int, output: str, errors: str) -> dict[str, Any]:
    """The check's answer: the last line of its output."""
    try:
        found: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
        found["problems"], found["files"]
    except (IndexError, ValueError, KeyError, TypeError) as error:
        detail = "\n".join((errors or output).strip().splitlines()[-20:])
        if code == 137:
            detail += "\nIt was killed: its memory did not suffice."
        raise KitError(f"The check itself failed (exit code {code})", detail) from error
    return found
