"""uv, which locks Python packages: found, or installed from its own locked requirement.

Nothing of it depends on the sandbox: whoever deploys to AWS locks packages, too.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cli.base.errors import UserError
from cli.base.paths import ROOT, cache_dir

_LOCK = ROOT / "requirements" / "uv.txt"


def uv() -> Path:
    """The program, of the version that requirements/uv.in names: two versions may write two locks."""
    version = _wanted()
    for candidate in _candidates():
        if _version(candidate) == version:
            return candidate
    return _installed(version)


def _wanted() -> str:
    lines = _LOCK.with_suffix(".in").read_text().splitlines()
    return next(line.removeprefix("uv==") for line in lines if line.startswith("uv=="))


def _candidates() -> Iterator[Path]:
    yield from sorted((cache_dir() / "uv").glob("*/bin/uv"))
    if found := shutil.which("uv"):
        yield Path(found)


def _version(program: Path) -> str:
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    # `uv 0.13.9 (x86_64-unknown-linux-gnu)`
    return [*answer.stdout.split(), "", ""][1]


def _installed(version: str) -> Path:
    """Into the cache, complete or not at all."""
    name = f"{version}-{hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]}"
    folder = cache_dir() / "uv" / name
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as made:
            pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
            target = Path(made) / "uv"
            command = [*pip, "--target", str(target), "--require-hashes", "-r", str(_LOCK)]
            subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ})
            if not folder.exists():
                target.rename(folder)
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip().splitlines()[-1:] or ["pip said nothing."]
        raise UserError(
            f"uv {version} is not on this machine and could not be installed",
            reason[0],
            f"python3 -m pip install uv=={version}",
        ) from error
    return folder / "bin" / "uv"
