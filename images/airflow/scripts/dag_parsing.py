"""Parse DAG files with the dag-processor's own code, each in a process of its own.

What a file sees here is what it sees at run time: `sys.path` with the bundle's folder, the
plugins folder and `config/`, the cluster policies, the importer's time limit, the way
`Variable.get` asks for its value. Only the answers differ: nobody has a database here, so
Variables and Connections come from the caller (`Values`), and what was asked for is kept.

Airflow has no public name for any of this. A release that renames something fails the image's
build here, before it can do harm. Import this module only when the settings are in the environment.
"""

import io
import json
import logging
import os
import selectors
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog
from airflow.configuration import conf
from airflow.dag_processing.bundles.local import LocalDagBundle
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.processor import DagFileProcessorProcess, _parse_file_entrypoint
from airflow.sdk.api.datamodels._generated import ConnectionResponse, VariableResponse
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse, OKResponse
from airflow.sdk.log import logging_processors
from airflow.utils.file import list_py_file_paths

_PAUSE = 0.5
"""Seconds for which one look at the processes may wait."""


@dataclass(frozen=True)
class DagFile:
    """One file that the dag-processor would parse."""

    bundle: str
    folder: Path
    path: Path

    @property
    def name(self) -> str:
        """As its author knows it: below the bundle's folder."""
        return os.path.relpath(self.path, self.folder)


@dataclass
class Values:
    """The Variables and Connections that a DAG file gets, and those that it asked for in vain."""

    given_variables: dict[str, str] = field(default_factory=dict)
    given_connections: dict[str, dict[str, Any]] = field(default_factory=dict)
    missing_variables: set[str] = field(default_factory=set)
    missing_connections: set[str] = field(default_factory=set)

    # What DagFileProcessorProcess calls its client: one object for each kind of question.
    @property
    def variables(self) -> "_Variables":
        return _Variables(self)

    @property
    def connections(self) -> "_Connections":
        return _Connections(self)


@dataclass(frozen=True)
class _Variables:
    values: Values

    def get(self, key: str) -> VariableResponse | ErrorResponse:
        if key in self.values.given_variables:
            return VariableResponse(key=key, value=self.values.given_variables[key])
        self.values.missing_variables.add(key)
        return ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND, detail={"key": key})

    def set(self, key: str, value: str | None, description: str | None = None) -> OKResponse:
        self.values.given_variables[key] = str(value)
        return OKResponse(ok=True)

    def delete(self, key: str) -> OKResponse:
        self.values.given_variables.pop(key, None)
        return OKResponse(ok=True)


@dataclass(frozen=True)
class _Connections:
    values: Values

    def get(self, conn_id: str) -> ConnectionResponse | ErrorResponse:
        if conn_id in self.values.given_connections:
            return connection(conn_id, self.values.given_connections[conn_id])
        self.values.missing_connections.add(conn_id)
        return ErrorResponse(error=ErrorType.CONNECTION_NOT_FOUND, detail={"conn_id": conn_id})


def connection(conn_id: str, given: dict[str, Any]) -> ConnectionResponse:
    """From a URI under the key `uri`, or from the fields themselves."""
    from airflow.models.connection import Connection

    if "uri" in given:
        made = Connection(conn_id=conn_id, uri=str(given["uri"]))
    else:
        extra = given.get("extra")
        text = extra if extra is None or isinstance(extra, str) else json.dumps(extra)
        made = Connection(conn_id=conn_id, **{**given, "extra": text})
    fields = ("conn_type", "host", "schema", "login", "password", "port", "extra")
    return ConnectionResponse(
        conn_id=conn_id,
        **{name: getattr(made, name) or None for name in fields[1:]},
        conn_type=made.conn_type or "generic",
    )


@dataclass
class Parsed:
    """What the dag-processor would know of one file."""

    file: DagFile
    seconds: float
    dags: list[Any]
    """LazyDeserializedDAG of each DAG."""

    errors: dict[str, str]
    """File to traceback, as in Airflow's list of import errors."""

    values: Values
    output: str = ""
    """What the file wrote to standard error while it was imported."""


def dag_files() -> list[DagFile]:
    """Those of the configured bundles that lie on this disk."""
    safe = conf.getboolean("core", "dag_discovery_safe_mode")
    return [
        DagFile(bundle.name, Path(bundle.path), Path(path))
        for bundle in DagBundlesManager().get_all_dag_bundles()
        if isinstance(bundle, LocalDagBundle)
        for path in sorted(list_py_file_paths(bundle.path, safe_mode=safe))
    ]


@dataclass
class _Running:
    """The process of one file."""

    file: DagFile
    values: Values
    process: DagFileProcessorProcess
    log: io.BytesIO
    timed_out: bool = False


def parse(files: Sequence[DagFile], given: Values) -> list[Parsed]:
    """Parses each file to its end, or to the dag-processor's time limit; as many at once as there are cores."""
    logging.disable(logging.CRITICAL)
    limit = conf.getint("dag_processor", "dag_file_processor_timeout")
    selector = selectors.DefaultSelector()
    waiting, running, done = list(reversed(files)), [], []
    while waiting or running:
        while waiting and len(running) < (os.cpu_count() or 1):
            running.append(_start(waiting.pop(), given, selector))
        _serve(selector)
        for item in [each for each in running if each.process.is_ready]:
            running.remove(item)
            done.append(_finished(item, limit))
        for item in running:
            if time.monotonic() - item.process.start_time > limit and not item.timed_out:
                item.timed_out = True
                item.process.kill(signal.SIGKILL)
    return sorted(done, key=lambda parsed: files.index(parsed.file))


def _start(file: DagFile, given: Values, selector: selectors.BaseSelector) -> _Running:
    log = io.BytesIO()
    logger = structlog.wrap_logger(
        structlog.BytesLogger(log), processors=logging_processors(json_output=True)
    )
    values = Values(dict(given.given_variables), given.given_connections)
    process = DagFileProcessorProcess.start(
        id=uuid4(),
        path=file.path,
        bundle_path=file.folder,
        bundle_name=file.bundle,
        dag_file_rel_path=file.name,
        callbacks=[],
        selector=selector,
        logger=logger.bind(),
        logger_filehandle=log,
        client=values,
        target=_child,
    )
    return _Running(file, values, process, log)


def _finished(item: _Running, limit: int) -> Parsed:
    seconds = time.monotonic() - item.process.start_time
    parsed = Parsed(item.file, seconds, [], {}, item.values, _standard_error(item.log.getvalue()))
    result = item.process.parsing_result
    if result is not None:
        parsed.dags = list(result.serialized_dags)
        parsed.errors = {str(name): text for name, text in (result.import_errors or {}).items()}
    elif item.timed_out:
        # At run time the process is killed, too, and not even an import error is recorded.
        setting = "dag_processor.dag_file_processor_timeout"
        parsed.errors = {item.file.name: f"Its import did not end within {limit} s ({setting})"}
    else:
        code = item.process._exit_code
        ended = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        parsed.errors = {item.file.name: f"The process that imported it ended with {ended}"}
    return parsed


def _child() -> None:
    """Runs in the process of one file; at run time its command is the dag-processor's."""
    sys.argv = [str(Path(sys.executable).parent / "airflow"), "dag-processor"]
    logging.disable(logging.NOTSET)
    _parse_file_entrypoint()


def _serve(selector: selectors.BaseSelector) -> None:
    """One look at what the process writes and asks for, as the dag-processor does it."""
    for key, _ in selector.select(timeout=_PAUSE):
        handler, on_close = key.data
        try:
            more = handler(key.fileobj)
        except (BrokenPipeError, ConnectionResetError):
            more = False
        if not more:
            on_close(key.fileobj)
            key.fileobj.close()


def _standard_error(log: bytes) -> str:
    """The lines that the file itself wrote there; argparse's complaint, for instance."""
    lines = []
    for line in log.decode(errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if str(entry.get("logger", "")).endswith("stderr"):
            lines.append(str(entry.get("event", "")))
    return "\n".join(lines)
