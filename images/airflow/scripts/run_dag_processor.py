"""Prepare `airflow dag-processor`: results are recorded with the version they are of, and processes that die are heard of.

Airflow records what a process has parsed with the version that the bundle has when the process ends. If the
bundle moved on meanwhile, the old content is recorded with the new version: a run that begins then gets tasks that
its code does not have, and hangs. Here such a result is dropped, and the file parsed again.

A file whose process ends without a result (os._exit, a crash in C, out of memory) is only counted by Airflow: its DAGs are
not there, or stay as they were, and the UI says nothing. Here it is an import error.

What a file makes of its DAGs' owners is compared with access.yaml, where no file has run.

Each file is parsed in a process of its own, forked off this one. What nearly every file loads is loaded here, once. Many files
are parsed less often than the setting says, for no more than a quarter of a processor; a file that has changed is parsed at once.
"""

import importlib
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SCRIPTS = str(Path(__file__).parent)

EARLY = (
    "airflow.providers.standard.decorators.python",
    "airflow.sdk.definitions.decorators",
    "airflow.timetables.trigger",
    "asgiref.sync",
)
"""What a DAG file loads through names that Airflow's own search for its imports does not see: `@task`, a schedule."""

DEFAULT_OWNER = "airflow"
"""Of a task that names none, in what Airflow stores."""

SHARE = 1 / 4
"""Of a processor, for parsing all files again and again."""

LONGEST_INTERVAL = 600.0
"""Seconds: what a file computes from elsewhere is no older."""


def interval(setting: float, durations: Iterable[float]) -> float:
    """Seconds between two looks at the same file, from what each of them took the last time."""
    return max(setting, min(sum(durations) / SHARE, LONGEST_INTERVAL))


def true_to_version(manager: Any) -> Any:
    """Airflow's manager of parsing processes, which remembers what version each began with."""

    class Manager(manager):  # type: ignore[misc] # known at run time only
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._begun: dict[Any, str | None] = {}
            self._setting = self._file_process_interval

        def prepare_file_queue(self, known_files: Any) -> None:
            durations = (stat.last_duration or 0.0 for stat in self._file_stats.values())
            self._file_process_interval = interval(self._setting, durations)
            super().prepare_file_queue(known_files)

        def _create_process(self, dag_file: Any) -> Any:
            self._begun[dag_file] = self._bundle_versions.get(dag_file.bundle_name)
            return super()._create_process(dag_file)

        def handle_parsing_result(self, file: Any, proc: Any, **more: Any) -> None:
            begun = self._begun.pop(file, None)
            now = self._bundle_versions.get(file.bundle_name)
            # A callback's file is of the version of its run, and stays so.
            if file.bundle_version is None and begun != now:
                self.log.info("Parsed again, because its bundle has another version now: %s", file)
                return
            if proc.parsing_result is None and not proc.had_callbacks:
                proc.parsing_result = _without_result(file, proc)
            if proc.parsing_result is not None:
                hold_to_owners(proc.parsing_result, str(file.rel_path))
            super().handle_parsing_result(file, proc, **more)

    return Manager


def hold_to_owners(result: Any, file: str) -> None:
    """Takes out of a result the DAGs that have another access control than access.yaml gives them.

    The image's policy has set it, or refused the file: but in the process that has run the file, which can change all
    that is there, its policy and its environment. Here nothing of it has run.
    """
    if not (text := os.environ.get("AERODROME_OWNERS")):
        return
    import aerodrome_owners

    owners = aerodrome_owners.declared(text)
    elsewhere = recorded_elsewhere([dag.dag_id for dag in result.serialized_dags], file)
    kept = []
    for dag in result.serialized_dags:
        tasks = (task.get("__var", task) for task in dag.data["dag"].get("tasks", ()))
        # Airflow leaves out what is as by default.
        named = {str(task.get("owner", DEFAULT_OWNER)) for task in tasks}
        try:
            if dag.relative_fileloc != file:
                raise aerodrome_owners.Claimed(
                    f'the DAG "{dag.dag_id}" says that it is of another file'
                )
            aerodrome_owners.access_of(owners, file, dag.dag_id, named, dag.access_control or {})
            if dag.dag_id in elsewhere:
                aerodrome_owners.hold_to_first(
                    owners, dag.dag_id, (file, named), elsewhere[dag.dag_id]
                )
        except aerodrome_owners.Claimed as error:
            result.import_errors = {**(result.import_errors or {}), file: str(error)}
        else:
            kept.append(dag)
    result.serialized_dags = kept


def recorded_elsewhere(dags: list[str], file: str) -> dict[str, tuple[str, set[str]]]:
    """Of these DAGs those that another file has, which is still there: the file, and the owners that its tasks name."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    query = select(DagModel.dag_id, DagModel.relative_fileloc, DagModel.owners).where(
        DagModel.dag_id.in_(dags), DagModel.is_stale.is_(False), DagModel.relative_fileloc != file
    )
    with create_session() as session:
        return {row[0]: (row[1], {*(row[2] or "").split(", ")}) for row in session.execute(query)}


def died(code: int | None) -> str:
    """An import error's text, of a process that has ended without a result."""
    if code is not None and code < 0:
        how = f"was ended by {signal.Signals(-code).name}"
        if -code == signal.SIGKILL:
            how += ", which the kernel sends to what needs too much memory"
    else:
        how = f"ended with exit status {code}"
    return f"The process that imported this file {how}, before it had a result"


def _without_result(file: Any, proc: Any) -> Any:
    from airflow.dag_processing.processor import DagFileParsingResult

    return DagFileParsingResult(
        fileloc=str(file.absolute_path),
        serialized_dags=[],
        import_errors={str(file.rel_path): died(proc._exit_code)},
    )


def prepare() -> None:
    """Before `airflow dag-processor` starts in this process."""
    from airflow.cli.commands import dag_processor_command

    dag_processor_command.DagFileProcessorManager = true_to_version(
        dag_processor_command.DagFileProcessorManager
    )
    for name in EARLY:
        importlib.import_module(name)
    # The folder of the image's scripts is no place where a DAG's imports should look.
    sys.path[:] = [entry for entry in sys.path if entry != SCRIPTS]
