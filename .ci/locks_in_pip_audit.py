"""Asks a database of vulnerabilities about every locked requirement: `locks_in_pip_audit.py PIP_AUDIT [LOCK ...]`.

The database is OSV's, or the one at AERODROME_OSV_URL. Where it cannot be reached nothing is known: that is said, and fails nothing, for
a check must run without a network. What is found must be in the file of exceptions (AERODROME_PIP_AUDIT_EXCEPTIONS, for tests), no more
and no fewer.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import yaml

ROOT = Path(__file__).resolve().parent.parent
OSV = os.environ.get("AERODROME_OSV_URL") or "https://api.osv.dev/v1/query"
EXCEPTIONS = Path(
    os.environ.get("AERODROME_PIP_AUDIT_EXCEPTIONS")
    or Path(__file__).with_name("pip-audit-exceptions.yaml")
)
KNOWN = {"package": {"name": "pip", "ecosystem": "PyPI"}, "version": "26.3"}
SECONDS = 10.0

Finding = tuple[str, str]
"""A vulnerability's id, and the package."""


def main(program: str, chosen: Sequence[str]) -> int:
    if reason := _unreachable():
        sys.stdout.write(f"NOT CHECKED: {OSV} cannot be asked ({reason}).\n")
        sys.stdout.write("Whether what is locked has known vulnerabilities is not known here.\n")
        return 0
    locks = [Path(name) for name in chosen] or _locks()
    found: dict[Finding, str] = {}
    asked: set[Finding] = set()
    for lock in locks:
        for one in _audited(program, lock):
            asked.add((one["name"], one.get("version", "")))
            if reason := one.get("skip_reason"):
                found["skipped", one["name"]] = reason
            for fault in one.get("vulns", ()):
                fixed = ", ".join(fault["fix_versions"]) or "none"
                text = f"{one['version']} in {lock.name}; fixed in {fixed}"
                found[fault["id"], one["name"]] = text
    expected = {(one["id"], one["package"]) for one in _exceptions()}
    lines = [
        *(
            f"{package} {found[id, package]}: {id}; {EXCEPTIONS.name} has no reason for it"
            for id, package in sorted(found.keys() - expected)
        ),
        *(
            f"{EXCEPTIONS.name}: {id} of {package} is found no more; delete it there"
            for id, package in sorted(expected - found.keys())
        ),
        f"{len(asked)} distributions in {len(locks)} locks, {len(expected)} exceptions",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return int(found.keys() != expected)


def _unreachable() -> str:
    """Why there is no database; empty if there is one."""
    try:
        answer = httpx.post(OSV, json=KNOWN, timeout=SECONDS)
        answer.raise_for_status()
        answer.json()
    except (httpx.HTTPError, ValueError) as error:
        return str(error) or type(error).__name__
    return ""


def _locks() -> list[Path]:
    """All but those of tests, which install what is old on purpose. Copies beside images say the same again."""
    return [
        *sorted((ROOT / "requirements").glob("*.txt")),
        ROOT / "images/airflow/requirements.txt",
    ]


def _audited(program: str, lock: Path) -> Iterator[dict[str, Any]]:
    """Every distribution of a lock. What is locked is asked about, nothing is resolved or installed."""
    command = [program, "--requirement", str(lock), "--disable-pip", "--require-hashes"]
    command += ["--vulnerability-service", "osv", "--osv-url", OSV, "--format", "json"]
    done = subprocess.run(
        [*command, "--progress-spinner", "off", "--desc", "off"],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        yield from json.loads(done.stdout)["dependencies"]
    except ValueError:
        sys.exit(f"pip-audit could not look at {lock}:\n{done.stderr[-2000:]}")


def _exceptions() -> list[dict[str, str]]:
    """Each with its reason."""
    listed: list[dict[str, str]] = yaml.safe_load(EXCEPTIONS.read_text(encoding="utf-8")) or []
    for one in listed:
        if missing := {"id", "package", "reason"} - one.keys():
            sys.exit(f"{EXCEPTIONS.name}: {one} has no {', '.join(sorted(missing))}")
    return listed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
