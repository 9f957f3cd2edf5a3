"""Runs the shell steps of a workflow's job as a runner does: in order, with `bash -e`, until one fails.

Actions (`uses:`) are left out. Expressions are looked up in a table; one that is not in it fails the
test, so that none is overlooked.
"""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")


@dataclass(frozen=True)
class Done:
    """A step that ran."""

    name: str
    code: int
    out: str
    err: str


def workflow(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((WORKFLOWS / f"{name}.yml").read_text())
    # YAML 1.1 reads the key `on` as true.
    document["on"] = document.pop(True, document.get("on"))
    return document


def replaced(text: str, table: Mapping[str, str]) -> str:
    """`text` with the values of its expressions."""
    return EXPRESSION.sub(lambda found: table[found[1]], text)


def run_job(
    name: str,
    job: str,
    table: Mapping[str, str],
    environ: Mapping[str, str],
    folder: Path,
    skip: tuple[str, ...] = (),
) -> list[Done]:
    """The job's shell steps; after a failure only those that run all the same."""
    document = workflow(name)
    shared = {key: replaced(value, table) for key, value in document["env"].items()}
    done: list[Done] = []
    for step in document["jobs"][job]["steps"]:
        if "run" not in step or step["name"] in skip:
            continue
        failed = any(each.code for each in done)
        if failed and "!cancelled()" not in step.get("if", ""):
            continue
        own = {key: replaced(value, table) for key, value in step.get("env", {}).items()}
        ended = subprocess.run(
            ["bash", "-e", "-c", replaced(step["run"], {})],
            cwd=folder,
            env={**environ, **shared, **own},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        done.append(Done(step["name"], ended.returncode, ended.stdout, ended.stderr))
    return done
