"""Python environments from locked, hashed requirements, made by uv."""

import os
import sys
import tempfile
from pathlib import Path

from sandbox import tools
from sandbox.setup.task import Log, made_whole

_UV_SETTINGS = {
    # A machine behind a company's proxy trusts that proxy's authority system-wide.
    "UV_SYSTEM_CERTS": "1",
    "UV_NO_PROGRESS": "1",
    "UV_PYTHON_DOWNLOADS": "never",
}


def make_uv(log: Log) -> None:
    """Installs uv itself, with pip."""
    with made_whole(tools.uv_dir()) as folder:
        log.run([sys.executable, "-m", "venv", folder])
        requirements = tools.REQUIREMENTS / "uv.txt"
        log.run(
            [
                folder / "bin" / "python",
                "-m",
                "pip",
                "install",
                "-q",
                "--require-hashes",
                "-r",
                requirements,
            ]
        )


def make_environment(log: Log, target: Path, requirements: str) -> None:
    """An environment at `target` with just what `requirements` (a file's name) locks."""
    uv = tools.uv_dir() / "bin" / "uv"
    with made_whole(target) as folder:
        # Relocatable, for it gets its final name only when it is complete.
        log.run(
            [uv, "venv", "-q", "--relocatable", "--python", sys.executable, folder],
            env=_UV_SETTINGS,
        )
        log.run(
            [uv, "pip", "sync", "-q", "--require-hashes", tools.REQUIREMENTS / requirements],
            env={**_UV_SETTINGS, "VIRTUAL_ENV": str(folder)},
        )


def compile_bytecode(folder: Path, log: Log) -> None:
    """Compiles the environment's modules once, not at every first import.

    Not those of the two generated SDKs: they are huge, and a program loads a small part of
    them. That part is compiled when it is first imported.
    """
    log.run(
        [
            *(folder / "bin" / "python", "-m", "compileall", "-q", "-j", "2"),
            *("-x", "pulumi_aws/.*/|pulumi_kubernetes/.*/"),
            folder / "lib",
        ]
    )


def linked(link: Path, target: Path) -> bool:
    """Whether `link` leads to the existing folder `target`."""
    return link.is_symlink() and link.readlink() == target and target.is_dir()


def make_link(link: Path, target: Path) -> None:
    """Makes `link` lead to `target`. Something else of that name is the user's: moved, not lost."""
    if link.exists() and not link.is_symlink():
        link.rename(tempfile.mkdtemp(prefix=f"{link.name}.before-set-up.", dir=link.parent))
    new = link.with_name(f"{link.name}.{os.getpid()}")
    new.symlink_to(target)
    new.replace(link)
