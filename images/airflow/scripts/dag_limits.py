"""What Airflow would refuse to store of a DAG, or could not name a file after.

The database here is SQLite, which takes a text of any length; PostgreSQL, at run time, does not,
and then Airflow drops the whole file. So everything that the dag-processor writes is written, by
its own code, and each text is compared with the width that its column declares. A task's row is
written when a run starts, so it is compared without being written. No limit stands in here.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from airflow import settings
from airflow.configuration import conf
from airflow.dag_processing.collection import update_dag_parsing_results_in_db
from airflow.models import import_all_models
from airflow.models.base import Base
from airflow.models.dagbundle import DagBundleModel
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from dag_parsing import Parsed
from jinja2 import Template
from sqlalchemy import event, inspect

FILE_NAME_BYTES = 255
"""Of Linux's file systems. A task's log is a file below folders that are named after it."""

SHOWN = 40
"""Characters of a text that is too long."""


class Store:
    """A database with Airflow's tables, which remembers what was too long for a column."""

    def __init__(self, bundles: set[str]) -> None:
        import_all_models()
        from airflow.providers.fab.auth_manager.models import Model, Role

        self.found: list[str] = []
        engine = settings.engine
        Base.metadata.create_all(engine)
        Model.metadata.create_all(engine)
        with create_session() as session:
            session.add_all([DagBundleModel(name=name) for name in sorted(bundles)])
            session.add_all([Role(name=name) for name in owners_roles()])
        event.listen(engine, "before_cursor_execute", self._look)

    def _look(
        self, _connection: Any, _cursor: Any, _sql: str, _given: Any, context: Any, _m: bool
    ) -> None:
        compiled = getattr(context, "compiled", None)
        if compiled is None or not (context.isinsert or context.isupdate):
            return
        table = compiled.statement.table.name
        for row in context.compiled_parameters:
            for name, value in row.items():
                bound = compiled.binds.get(name)
                if bound is not None:
                    self.found += too_long(f"{table}.{name}", bound.type, value)

    def write(self, parsed: Parsed) -> list[str]:
        """Writes what was parsed, as the dag-processor does. What is wrong with it."""
        self.found = []
        name = parsed.file.bundle
        errors = {(name, file): text for file, text in parsed.errors.items()}
        known = set(errors)
        with create_session() as session:
            update_dag_parsing_results_in_db(
                name, None, parsed.dags, errors, None, set(), session, files_parsed=set()
            )
        refused = [text for key, text in errors.items() if key not in known]
        return [*dict.fromkeys(self.found), *refused]


def owners_roles() -> list[str]:
    """Those that the environment has for the owners of DAGs (access.yaml)."""
    owners = json.loads(os.environ.get("AERODROME_OWNERS") or "{}")
    return sorted({role for owner in owners.values() for role in owner["access"]})


def too_long(column: str, kind: Any, value: Any) -> Iterator[str]:
    """One line if the column of this type does not hold the value."""
    width = getattr(getattr(kind, "impl", kind), "length", None)
    if isinstance(value, str) and isinstance(width, int) and len(value) > width:
        yield (
            f'"{shown(value)}" has {len(value)} characters, and the column {column} of Airflow\'s '
            f"database holds {width}: {len(value) - width} too many"
        )


def shown(text: str) -> str:
    """The beginning of a text, so that a line stays a line."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


@contextmanager
def store(bundles: set[str]) -> Iterator[Store]:
    """A Store, in the database that the settings name."""
    settings.configure_orm()
    try:
        yield Store(bundles)
    finally:
        settings.dispose_orm()


def task_problems(dag: Any) -> Iterator[str]:
    """What is wrong with the tasks of a DAG (LazyDeserializedDAG) when a run of it starts."""
    columns = inspect(TaskInstance).attrs
    log_path = Template(conf.get("logging", "log_filename_template"))
    run = SimpleNamespace(context_carrier={})
    for task in dag._real_dag.tasks:
        row = TaskInstance.insert_mapping("", task, -1, dag_version_id=None, dag_run=run)
        for name, value in row.items():
            if name in columns:
                column = columns[name].columns[0]
                yield from too_long(f"{column.table.name}.{column.name}", column.type, value)
        instance = SimpleNamespace(
            dag_id=dag.dag_id, task_id=task.task_id, run_id="", map_index=0, try_number=1
        )
        for part in log_path.render(ti=instance).split("/"):
            if (excess := len(part.encode()) - FILE_NAME_BYTES) > 0:
                yield (
                    f'the task\'s log cannot be written: "{shown(part)}" would be a file name of '
                    f"{len(part.encode())} bytes, {excess} too many"
                )
