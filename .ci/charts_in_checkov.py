"""Runs checkov on what the charts render with their lint values: `charts_in_checkov.py CHECKOV`.

Its findings must be those of checkov-exceptions.yaml, no more and no fewer: another one is a fault, and an exception that nothing
needs any more hides the next.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

EXCEPTIONS = Path(__file__).with_name("checkov-exceptions.yaml")
NAMESPACE = "airflow"
OFFLINE = {
    "BC_SKIP_MAPPING": "TRUE",
    # It would ask its maker's server for guidelines otherwise, and wait for it where there is no network.
    "CHECKOV_RUN_SCA_PACKAGE_SCAN": "false",
}

Finding = tuple[str, str]
"""A check's id, and an object as `Kind/name`."""


def main(checkov: str) -> int:
    with tempfile.TemporaryDirectory(prefix="aerodrome-checkov-") as folder:
        for chart in sorted((ROOT / "charts").iterdir()):
            (Path(folder) / f"{chart.name}.yaml").write_text(_rendered(chart))
        passed, found = _findings(checkov, folder)
    expected = set(_exceptions(found))
    lines = [
        *(
            f"{what}: {check} {found[check, what]}; {EXCEPTIONS.name} has no reason for it"
            for check, what in sorted(found.keys() - expected)
        ),
        *(
            f"{EXCEPTIONS.name}: {check} of {what} is found no more; delete it there"
            for check, what in sorted(expected - found.keys())
        ),
        f"{passed} checks passed, {len(expected)} exceptions",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return int(found.keys() != expected)


def _rendered(chart: Path) -> str:
    """With the namespace in each object, which Helm would say to the server."""
    from sandbox import tools

    values = chart / "tests" / "lint-values.yaml"
    command = [str(tools.tool("helm")), "template", chart.name, str(chart), "--values", str(values)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    objects = [one for one in yaml.safe_load_all(done.stdout) if one]
    for one in objects:
        one["metadata"].setdefault("namespace", NAMESPACE)
    return yaml.safe_dump_all(objects)


def _findings(checkov: str, folder: str) -> tuple[int, dict[Finding, str]]:
    """How many checks passed; what did not, with what the check is about."""
    options = ["--skip-download", "--quiet", "--compact", "--framework", "kubernetes"]
    done = subprocess.run(
        [checkov, *options, "--output", "json", "--directory", folder],
        env=os.environ | OFFLINE,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 1) or not done.stdout.startswith("{"):
        sys.exit(f"checkov ended with {done.returncode}: {done.stderr[-2000:]}")
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0, report["summary"]
    failed = report["results"]["failed_checks"]
    return int(report["summary"]["passed"]), {
        (one["check_id"], _object(one["resource"])): one["check_name"] for one in failed
    }


def _object(resource: str) -> str:
    """`Kind.namespace.name`, of pods with all their labels behind it, as `Kind/name` without the hash of a Job's name."""
    kind, _, name, *_ = resource.split(".")
    stem, _, end = name.rpartition("-")
    return f"{kind}/{stem if stem and len(end) == 8 and end.isalnum() and any(map(str.isdigit, end)) else name}"


def _exceptions(found: Collection[Finding]) -> Iterator[Finding]:
    """`objects: all` stands for whatever is found, if anything is."""
    entries: list[dict[str, Any]] = yaml.safe_load(EXCEPTIONS.read_text())
    for entry in entries:
        assert entry["reason"], entry
        objects = entry["objects"]
        if objects == "all":
            objects = [what for check, what in found if check == entry["check"]] or ["any object"]
        yield from ((entry["check"], one) for one in objects)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
