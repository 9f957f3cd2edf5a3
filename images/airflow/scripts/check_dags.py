"""Check DAG files as the dag-processor will see them, and fail if Airflow would not take one.

The image's build runs this after it has copied the DAGs, so that nothing broken is ever pushed;
`aerodrome dags check` runs it on a folder. Every bad file is reported at once. The last lines of
the output are the short form: one line for each problem. Needs Airflow, but no database.
"""

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dag_parsing import Parsed

SETTINGS = {
    "AIRFLOW__CORE__AUTH_MANAGER": (
        "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
    ),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
}
"""The chart's, as far as they change what becomes of a DAG."""

EXECUTORS = "LocalExecutor,CeleryExecutor,KubernetesExecutor"
"""A task may name one. Which of them an environment has is known only there."""

OWN_SETTINGS = {
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    # At run time Airflow keeps the last two frames; here the line of the DAG file is wanted.
    "AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACK_DEPTH": "50",
}

BUNDLES = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"
TEAMS_BUNDLE = "dags-folder"

POLICY = "AirflowClusterPolicyViolation: "
"""Before what a policy says of a DAG that it refuses."""

TEMPLATED = re.compile(r"\b(?:var\.(?:value|json)|(conn))\.(\w+)")
"""Variables and Connections in Jinja templates."""


@dataclass(frozen=True)
class Problem:
    """Why Airflow would not take a file, or why a task could not run."""

    file: str
    summary: str
    line: int | None = None
    detail: str = ""

    @property
    def text(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"DAG file {where}: {self.summary}"


@dataclass
class Result:
    """What was found."""

    files: list[dict[str, Any]] = field(default_factory=list)
    dags: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def prepare(folder: Path, scratch: Path) -> None:
    """The environment in which Airflow is to be loaded."""
    os.environ.update(SETTINGS | OWN_SETTINGS)
    os.environ.setdefault("AIRFLOW__CORE__EXECUTOR", EXECUTORS)
    os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(folder)
    # Nothing of the environment's own database is asked, or changed, by a check in one of its pods.
    if bundles := os.environ.get(BUNDLES):
        os.environ[BUNDLES] = _with_folder(bundles)
    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{scratch}/check.db"


def _with_folder(bundles: str) -> str:
    """The configured bundles, with the folder to check in the place of what the environment has: S3, git."""
    local = {
        "name": TEAMS_BUNDLE,
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {},
    }
    found = json.loads(bundles)
    return json.dumps([local if one["name"] == TEAMS_BUNDLE else one for one in found])


def check(given: dict[str, Any], *, strict: bool, only: set[str] | None = None) -> Result:
    """All files of all bundles, or of the team's bundle some. `strict`: a Variable that is missing is a problem,
    not a warning."""
    # Only now: the settings must be in the environment when Airflow loads.
    import dag_limits
    import dag_parsing

    values = dag_parsing.Values(given.get("variables", {}), given.get("connections", {}))
    files = [
        file
        for file in dag_parsing.dag_files()
        if only is None or (file.bundle == TEAMS_BUNDLE and file.name in only)
    ]
    result = Result()
    owners: dict[str, str] = {}
    with dag_limits.store({file.bundle for file in files}) as store:
        for parsed in dag_parsing.parse(files, values):
            _imported(result, parsed, strict=strict)
            for text in store.write(parsed):
                result.problems.append(Problem(parsed.file.name, last_line(text), detail=text))
            for dag in parsed.dags:
                _duplicates(result, owners, parsed, dag.dag_id)
                _one_dag(result, parsed, dag, given)
                for text in dag_limits.task_problems(dag):
                    summary = f"DAG {dag_limits.shown(dag.dag_id)}: {text}"
                    result.problems.append(Problem(parsed.file.name, summary))
    return result


def _imported(result: Result, parsed: "Parsed", *, strict: bool) -> None:
    """What became of the import."""
    result.files.append(
        {
            "file": parsed.file.name,
            "bundle": parsed.file.bundle,
            "seconds": round(parsed.seconds, 2),
            "dags": [dag.dag_id for dag in parsed.dags],
        }
    )
    asked = [
        f'the {kind} "{name}"'
        for kind, names in (
            ("Variable", parsed.values.missing_variables),
            ("Connection", parsed.values.missing_connections),
        )
        for name in sorted(names)
    ]
    for file, trace in parsed.errors.items():
        line = line_of(trace, str(parsed.file.path))
        detail = "\n".join(filter(None, (trace.rstrip(), parsed.output)))
        if asked:
            # The environment may have it, or get it once it is up: a build cannot know.
            found = result.problems if strict else result.warnings
            found.append(Problem(file, missing(asked), line, detail))
        else:
            found = result.problems
            found.append(Problem(file, explained(trace, parsed.output), line, detail))


def missing(asked: list[str]) -> str:
    """A value that the file wants while it is imported."""
    return (
        f"wants {' and '.join(asked)} while it is imported, and nothing has a value for it here. Let a "
        "task or a template ({{ var.value.NAME }}) read it, give it a default, or check with --variables FILE"
    )


def explained(trace: str, output: str) -> str:
    """The line of a traceback that says what happened, and why the author should care."""
    reason = last_line(trace)
    if reason.startswith(POLICY):
        return reason.removeprefix(POLICY)
    if re.match(r"SystemExit\b", reason):
        complaint = f" ({last_line(output)})" if output else ""
        return f"ends the process while it is imported: {reason}{complaint}"
    if "DagBag import timeout" in trace:
        seconds = re.search(r"after ([0-9.]+)s", trace)
        limit = f" within {seconds[1]} s" if seconds else ""
        return f"its import does not end{limit} (core.dagbag_import_timeout)"
    return f"does not import: {reason}"


def _duplicates(result: Result, owners: dict[str, str], parsed: "Parsed", dag_id: str) -> None:
    first = owners.setdefault(dag_id, parsed.file.name)
    if first != parsed.file.name:
        # At run time the two files take the DAG from one another at each parse.
        line = first_line_with(parsed.file.path, dag_id)
        text = f'has a DAG "{dag_id}", and so has {first}: ids must be unique'
        result.problems.append(Problem(parsed.file.name, text, line))


def _one_dag(result: Result, parsed: "Parsed", dag: Any, given: dict[str, Any]) -> None:
    """A line about the DAG, and what of `given` its tasks will miss."""
    content = dag.data["dag"]
    tasks = [task.get("__var", task) for task in content.get("tasks", [])]
    result.dags.append(
        {
            "dag": dag.dag_id,
            "file": parsed.file.name,
            "owner": dag.owner if hasattr(dag, "owner") else "",
            "tasks": len(tasks),
        }
    )
    # Only a file that somebody gave for this has all that tasks may use.
    if not given.get("complete"):
        return
    wanted = {(kind, name) for task in tasks for kind, name in _wants(task)}
    for kind, name in sorted(wanted):
        if name not in given.get(f"{kind}s", {}):
            text = (
                f'DAG {dag.dag_id}: its tasks use the {kind} "{name}", which the file does not have'
            )
            result.warnings.append(Problem(parsed.file.name, text))


def _wants(task: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(kind, name) of the Variables and Connections that a serialized task names."""
    for key, value in task.items():
        if key.endswith("conn_id") and isinstance(value, str) and value:
            yield "connection", value
    for found in TEMPLATED.finditer(json.dumps(task)):
        yield ("connection" if found[1] else "variable"), found[2]


def line_of(trace: str, path: str) -> int | None:
    """The line of the file itself at which its import ended."""
    lines = re.findall(rf'File "{re.escape(path)}", line ([0-9]+)', trace)
    return int(lines[-1]) if lines else None


def first_line_with(path: Path, text: str) -> int | None:
    """The first line of a file that has the text in it."""
    lines = path.read_text(errors="replace").splitlines()
    return next((number for number, line in enumerate(lines, 1) if text in line), None)


def last_line(error: str) -> str:
    """The line of a traceback that says what happened."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def report(result: Result) -> tuple[int, str]:
    """Exit code and text."""
    text = [f"--- {each.file}\n{each.detail.rstrip()}\n" for each in result.problems if each.detail]
    text += [f"warning: {each.text}\n" for each in result.warnings]
    text += [f"{each.text}\n" for each in result.problems]
    if result.problems:
        return 1, "".join(text)
    names = ", ".join(sorted(dag["dag"] for dag in result.dags)) or "no DAG at all"
    return 0, "".join([*text, f"{len(result.dags)} DAGs are as Airflow takes them: {names}\n"])


def recorded(folder: Path, result: Result) -> dict[str, Any]:
    """What the image holds: each file of the folder by its content, each DAG by its file.

    `aerodrome up` compares the first with what it is about to deploy, and waits for the second.
    """
    return {
        "files": {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        },
        "dags": [
            {"bundle": file["bundle"], "file": file["file"], "dag": dag}
            for file in result.files
            for dag in file["dags"]
        ],
    }


def main(arguments: list[str]) -> int:
    """`check_dags.py FOLDER [--json] [--strict] [--variables FILE] [--record FILE] [--only JSON]`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--variables", type=Path)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--only", type=json.loads)
    asked = parser.parse_args(arguments)
    given = json.loads(asked.variables.read_text()) if asked.variables else {}
    with tempfile.TemporaryDirectory(prefix="check-dags-") as scratch:
        prepare(asked.folder.resolve(), Path(scratch))
        only = None if asked.only is None else set(asked.only)
        result = check(given, strict=asked.strict, only=only)
    code, text = report(result)
    if asked.record:
        asked.record.write_text(json.dumps(recorded(asked.folder, result)))
    if asked.json:
        sys.stdout.write(json.dumps(asdict(result)) + "\n")
    else:
        (sys.stderr if code else sys.stdout).write(text)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
