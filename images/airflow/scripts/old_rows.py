"""Which rows of Airflow's database are old: as `airflow db clean` has it, and none that something still uses.

Tables, the date that counts in each, what is kept as the last of its kind and the queries are the installed
Airflow's own (`airflow.utils.db_cleanup`). By its rules alone age would be enough: a run that has waited for
months for somebody's approval would go, and so would the trigger of an asset that is still watched. So its
rules are narrowed here, by the means that they have for it.
"""

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

RUNS = "dag_run"

IN_USE: Mapping[str, tuple[tuple[str, str], ...]] = {
    "asset_event": (("dagrun_asset_event", "event_id"),),
    "callback": (("deadline", "callback_id"),),
    "dag": (("dag_run", "dag_id"), ("task_instance", "dag_id")),
    "dag_version": (
        ("dag_run", "created_dag_version_id"),
        ("task_instance_history", "dag_version_id"),
    ),
    "trigger": (
        ("asset_watcher", "trigger_id"),
        ("callback", "trigger_id"),
        ("task_instance", "trigger_id"),
    ),
}
"""What refers to a table's rows, as (table, column): a row that one of these names stays."""

LAST = ("dag_version", "dag")
"""After all others, which may be what still refers to their rows."""


class OldRows(NamedTuple):
    """A query for the rows of one table that are old."""

    table: str
    query: str
    parameters: Mapping[str, Any]


def queries(
    before: datetime, there: Collection[str], of_runs: Collection[str]
) -> Iterator[OldRows]:
    """For each table, in the order in which they are cleaned: runs first, because what refers to the rest may go
    with them. `of_runs` are tables whose rows go with their run, and not by a date of their own."""
    from airflow.utils.db_cleanup import config_dict

    rest = sorted(set(config_dict) & set(there) - set(of_runs) - {RUNS, *LAST})
    for table in (RUNS, *rest, *LAST):
        yield _query(_narrowed(config_dict[table], before), before)


def _narrowed(config: Any, before: datetime) -> Any:
    """Airflow's rule for a table, without the rows that are in use."""
    from sqlalchemy import column

    more: list[Any] = []
    if config.table_name == RUNS:
        more = [*_finished(before)]
    elif config.table_name == "dag":
        # The date is that of the last parse. Of an environment that was at rest all are old, and none is gone.
        more = [column("is_stale").is_(True)]
    references = IN_USE.get(config.table_name, ())
    key = "dag_id" if config.table_name == "dag" else config.referenced_pk_column
    columns = {*(config.extra_columns or ()), *([key] if references else ())} - {
        config.dag_id_column_name
    }
    return dataclasses.replace(
        config,
        extra_columns=sorted(columns),
        extra_filters=[*(config.extra_filters or ()), *more],
        skip_if_referenced=[*(config.skip_if_referenced or ()), *references],
        referenced_pk_column=key,
    )


def _finished(before: datetime) -> Iterator[Any]:
    """A run, and what its tasks are about: Airflow's rule goes by the start of a run."""
    from airflow.utils.state import State
    from sqlalchemy import column, exists, literal_column, select, table

    yield column("state").in_(sorted(str(state.value) for state in State.finished_dr_states))
    yield column("end_date") < before
    tasks = table("task_instance", column("dag_id"), column("run_id"), column("state"))
    unfinished = sorted(str(state.value) for state in State.unfinished if state)
    yield ~exists(
        select(literal_column("1"))
        .select_from(tasks)
        .where(
            tasks.c.dag_id == literal_column("base.dag_id"),
            tasks.c.run_id == literal_column("base.run_id"),
            tasks.c.state.in_(unfinished),
        )
    )


def _query(config: Any, before: datetime) -> OldRows:
    from airflow.utils.db_cleanup import _build_query
    from sqlalchemy.dialects.postgresql import psycopg2

    query = _build_query(**vars(config), clean_before_timestamp=before, session=None)
    compiled = query.compile(
        dialect=psycopg2.dialect(), compile_kwargs={"render_postcompile": True}
    )
    return OldRows(config.table_name, str(compiled), dict(compiled.params))
