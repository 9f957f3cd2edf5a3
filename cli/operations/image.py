"""What a team adds to Airflow's image: the files below images/airflow/extra, and their lock.

A change is made in a copy, locked there, and put in place only when all of it has worked.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.base.errors import UserError
from cli.base.paths import ROOT
from cli.base.uv import uv

AIRFLOW = ROOT / "images" / "airflow"

WANTED, LOCK, DEBIAN, ENVIRONMENT = "requirements.in", "requirements.txt", "packages.txt", "env"

LOCK_HEADER = "# Written by `./aerodrome image lock`.\n"

_OPTIONS = (
    "--quiet",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-header",
    "--no-annotate",
    "--only-binary=:all:",
    "--python-version=3.11",
)

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_VERSION = r"\s*(?:===?|~=|!=|<=?|>=?)\s*[A-Za-z0-9.*+!_-]+\s*"
_REQUIREMENT = re.compile(
    rf"({_NAME})\s*(?:\[[A-Za-z0-9,._\s-]+\])?(?:{_VERSION}(?:,{_VERSION})*)?"
)
_LOCKED = re.compile(rf"({_NAME})(?:\[[^]]*\])?==([^\s;\\]+)")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(?:=\S+)?")
_NETWORK = re.compile(
    r"error sending request|[Ff]ailed to fetch|[Cc]onnection|dns error|timed out|[Nn]etwork"
)


@dataclass(frozen=True)
class Image:
    """images/airflow of a checkout."""

    folder: Path = AIRFLOW

    @property
    def extra(self) -> Path:
        return self.folder / "extra"

    def data(self) -> dict[str, Any]:
        """Everything that was added, for people and programs."""
        locked = _locked(self.extra / LOCK)
        plugins = self.folder / "plugins"
        return {
            "packages": [
                {"wanted": line, "version": locked.get(_canonical(_name(line)), "")}
                for line in _lines(self.extra / WANTED)
            ],
            "debian": _lines(self.extra / DEBIAN),
            # Names only: a value may be what should not be there.
            "environment": [line.partition("=")[0] for line in _lines(self.extra / ENVIRONMENT)],
            "plugins": sorted(
                path.relative_to(plugins).as_posix()
                for path in plugins.rglob("*.py")
                if "__pycache__" not in path.parts
            ),
        }

    def add(self, requirements: Sequence[str], debian: Sequence[str]) -> dict[str, str]:
        """Adds Python and Debian packages; what the Python ones are locked to. UserError, and nothing changed."""
        for text in requirements:
            if not _REQUIREMENT.fullmatch(text.strip()):
                raise UserError(
                    f'"{text}" is not a requirement',
                    "It has to be a package's name, with a version if you like.",
                    "./aerodrome image add 'humanize==4.*'",
                )
        for text in debian:
            if not _PACKAGE.fullmatch(text):
                raise UserError(
                    f'"{text}" is not the name of a Debian package',
                    "Names are of a-z, 0-9, +, - and a point.",
                    "./aerodrome image add --debian libsnappy1v5",
                )
        wanted = _with(self.extra / WANTED, [text.strip() for text in requirements], _name)
        packages = _with(self.extra / DEBIAN, debian, lambda line: line.partition("=")[0])
        lock = self._resolved(wanted) if requirements else (self.extra / LOCK).read_text()
        self._write({WANTED: wanted, LOCK: lock, DEBIAN: packages})
        versions = _locked(self.extra / LOCK)
        return {_name(text): versions[_canonical(_name(text))] for text in requirements}

    def lock(self, *, upgrade: bool = False) -> dict[str, str]:
        """Resolves the packages again; all of them with their versions."""
        wanted = self.extra / WANTED
        lock = self._resolved(wanted.read_text() if wanted.is_file() else "", upgrade=upgrade)
        self._write({LOCK: lock})
        return _locked(self.extra / LOCK)

    def _resolved(self, wanted: str, *, upgrade: bool = False) -> str:
        """The lock of these requirements; versions of the present lock are kept where they fit."""
        for line in wanted.splitlines():
            if line.startswith("-"):
                raise UserError(
                    f"images/airflow/extra/{WANTED} holds an option: {line.split()[0]}",
                    "A package index belongs into the machine's uv.toml; the file holds packages only.",
                )
        with tempfile.TemporaryDirectory() as scratch:
            asked, made = Path(scratch) / WANTED, Path(scratch) / LOCK
            asked.write_text(wanted)
            if (self.extra / LOCK).is_file() and not upgrade:
                shutil.copyfile(self.extra / LOCK, made)
            base = ["--constraints", str(self.folder / LOCK)]
            command = [str(uv()), "pip", "compile", *_OPTIONS, *base, str(asked), "-o", str(made)]
            # What a shell set for other projects must not decide what is locked here.
            unset = ("UV_CONSTRAINT", "UV_OVERRIDE", "UV_EXCLUDE_NEWER", "UV_PRERELEASE")
            environment = {key: value for key, value in os.environ.items() if key not in unset}
            ran = subprocess.run(command, capture_output=True, text=True, env=environment)
            if ran.returncode != 0:
                raise self._refusal(ran.stderr.strip())
            return LOCK_HEADER + made.read_text().removeprefix(LOCK_HEADER)

    def _refusal(self, text: str) -> UserError:
        """uv's words, with what the image has where they name it."""
        if missing := re.search(r"Because (\S+) was not found in the package registry", text):
            return UserError(
                f"There is no package {missing[1]}", "The package index does not know the name."
            )
        if "No solution found" not in text:
            network = _NETWORK.search(text)
            summary = "The package index does not answer" if network else "Locking failed"
            return UserError(summary, text)
        own = [
            f"The image itself has {name}=={version} (images/airflow/{LOCK})."
            for name, version in _locked(self.folder / LOCK).items()
            if re.search(rf"(?<![\w.-]){re.escape(name)}=={re.escape(version)}(?![\w.])", text)
        ]
        return UserError(
            "The packages do not fit one another, or the image", "\n".join([text, *own])
        )

    def _write(self, files: Mapping[str, str]) -> None:
        self.extra.mkdir(exist_ok=True)
        for name, text in files.items():
            part = self.extra / f".{name}.part"
            part.write_text(text)
            part.replace(self.extra / name)


def _with(path: Path, added: Sequence[str], name: Any) -> str:
    """The file's text with these lines; one of the same name is replaced, comments stay."""
    lines = path.read_text().splitlines() if path.is_file() else []
    names = {_canonical(name(line)) for line in added}
    kept = [line for line in lines if line.startswith("#") or _canonical(name(line)) not in names]
    return "".join(f"{line}\n" for line in [*kept, *dict.fromkeys(added)])


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _name(requirement: str) -> str:
    found = re.match(_NAME, requirement.strip())
    return found[0] if found else requirement


def _canonical(name: str) -> str:
    """Names of packages are compared like this (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _locked(path: Path) -> dict[str, str]:
    """Package to version, of a lock file."""
    found = (_LOCKED.match(line) for line in _lines(path))
    return {_canonical(match[1]): match[2] for match in found if match}
