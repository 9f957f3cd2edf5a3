"""Prepare `airflow dag-processor`: results are recorded with the version they are of, and processes that die are heard of.

Airflow records what a process has parsed with the version that the bundle has when the process ends. If the
bundle moved on meanwhile, the old content is recorded with the new version: a run that begins then gets tasks that
its code does not have, and hangs. Here such a result is dropped, and the file parsed again.

A file whose process ends without a result (os._exit, a crash in C, out of memory) is only counted by Airflow: its DAGs are
not there, or stay as they were, and the UI says nothing. Here it is an import error.
"""

import signal
import sys
from pathlib import Path
from typing import Any

SCRIPTS = str(Path(__file__).parent)


def true_to_version(manager: Any) -> Any:
    """Airflow's manager of parsing processes, which remembers what version each began with."""

    class Manager(manager):  # type: ignore[misc] # known at run time only
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._begun: dict[Any, str | None] = {}

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
            super().handle_parsing_result(file, proc, **more)

    return Manager


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
    # The folder of the image's scripts is no place where a DAG's imports should look.
    sys.path[:] = [entry for entry in sys.path if entry != SCRIPTS]
