"""Move old rows from Airflow's database to the bucket: the CronJob `database-clean` of the chart runs it.

Batch by batch (`archive_batch.py`), as long as no backup, restore or migration wants to work. Killed at any
point, the next run continues with the batch that was under way, under the same object's name: no row is lost,
and none is in two objects. Which rows are old is in `old_rows.py`. The pod's role may add objects to one folder
and list them, and neither read nor delete any. The last line of the output is JSON.
"""

import itertools
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import maintenance
import old_rows
from archive_batch import Batch, Changed, Place, TooLarge, parts, quoted
from database_copy import LEFT_OUT, columns_of
from old_rows import RUNS, OldRows
from wait_for_schema import CONNECTION, SCHEMA_FILE, connect, libpq_url, look

ROWS_OF_A_RUN = 25
"""Runs take their tasks along, and what those left: a batch has so many times fewer of them."""

SUFFIX = ".tar.gz"

TRIES = 3
"""How often a batch is taken anew whose rows somebody changes."""

AT_WORK = "a backup, a restore or a migration is under way; the next run cleans"
WAITED_FOR = "a backup, a restore or a migration waits; the next run continues"


@dataclass(frozen=True)
class Asked:
    """What the pod was told."""

    before: datetime
    bucket: str
    folder: str
    batch_rows: int
    about: Mapping[str, str]
    dry_run: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Asked":
        from airflow import __version__

        now = datetime.now(UTC)
        before = now - timedelta(days=int(environment["CLEAN_KEEP_DAYS"]))
        about = {
            "environment": environment["CLEAN_ENVIRONMENT"],
            "airflow": __version__,
            "made": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "olderThan": before.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return cls(
            before,
            environment["CLEAN_BUCKET"],
            environment["CLEAN_PREFIX"].rstrip("/"),
            int(environment["CLEAN_BATCH_ROWS"]),
            about,
            environment.get("CLEAN_DRY_RUN") == "true",
        )


@dataclass
class Done:
    """What a run has moved."""

    before: datetime
    rows: dict[str, int] = field(default_factory=dict)
    objects: list[str] = field(default_factory=list)
    stopped: str = ""

    def add(self, rows: Mapping[str, int]) -> None:
        for table, count in rows.items():
            self.rows[table] = self.rows.get(table, 0) + count

    def line(self) -> str:
        tables = {name: count for name, count in sorted(self.rows.items()) if count}
        data = {
            "olderThan": self.before.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "rows": sum(tables.values()),
            "tables": tables,
            "objects": self.objects,
            "stopped": self.stopped,
        }
        return json.dumps(data)


class Cleaning:
    """One run: batch after batch, until no old row is left or somebody else wants to work."""

    def __init__(self, connection: Any, asked: Asked) -> None:
        self._connection = connection
        self._asked = asked
        self._parts = parts(connection)
        self._batch = Batch(connection, self._parts)
        self._most = asked.batch_rows
        self.done = Done(asked.before)

    @property
    def queries(self) -> dict[str, OldRows]:
        """By table, in the order of the work."""
        of_runs = {RUNS, *self._of(RUNS)}
        with self._connection, self._connection.cursor() as cursor:
            there = columns_of(cursor, "public")
        found = old_rows.queries(self._asked.before, there, of_runs)
        return {each.table: each for each in found}

    def _of(self, table: str) -> set[str]:
        own = {part.table for part in self._parts if part.of == table}
        return own | {more for each in own for more in self._of(each)}

    def count(self) -> None:
        """Only looks: how many rows of each table are old. Those that go with them are not counted."""
        for old in self.queries.values():
            with self._connection, self._connection.cursor() as cursor:
                cursor.execute(f"select count(*) from ({old.query}) old", old.parameters)
                self.done.add({old.table: cursor.fetchone()[0]})

    def run(self, place: Place, lock: maintenance.Alone) -> None:
        """Moves all old rows."""
        queries = self.queries
        if name := self._batch.object_name:
            say(f"{name}: continued")
            self._move(place, queries[_table_of(name)])
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
        for old in queries.values():
            if old.table in LEFT_OUT:
                self._forget(old)
                continue
            for number in itertools.count(1):
                if lock.awaited:
                    self.done.stopped = WAITED_FOR
                    return
                if not self._take(old, f"{stamp}/{old.table}-{number:05}{SUFFIX}"):
                    break
                self._move(place, old)

    def _take(self, old: OldRows, name: str) -> bool:
        while True:
            most = max(1, self._most // ROWS_OF_A_RUN) if old.table == RUNS else self._most
            try:
                return self._batch.take(old, most, name)
            except TooLarge as error:
                self._smaller(name, error)

    def _move(self, place: Place, old: OldRows) -> None:
        """Sends the batch and deletes it. One that has changed meanwhile is taken anew, under its name, and one that is
        too large with fewer rows."""
        name = self._batch.object_name
        tries = 0
        while True:
            rows = self._batch.send(place, {**self._asked.about, "table": old.table})
            try:
                self._batch.delete()
                break
            except TooLarge as error:
                self._smaller(name, error)
            except Changed as error:
                say(f"{name}: {error} have changed meanwhile")
                tries += 1
                if tries == TRIES:
                    raise SystemExit(
                        f"old rows of {old.table} are being changed all the time; nothing of {name} was deleted"
                    ) from None
            self._batch.drop()
            if not self._take(old, name):
                return
        self.done.add(rows)
        self.done.objects.append(f"s3://{place.bucket}/{place.folder}/{name}")
        say(f"{name}: {sum(rows.values())} rows")

    def _smaller(self, name: str, error: TooLarge) -> None:
        """The next batches have half of the rows; SystemExit if that is not possible any more."""
        if self._most <= 1:
            raise SystemExit(f"a single row takes {error}; nothing of {name} was deleted")
        self._most //= 2
        say(f"{name}: {error}; from now on {self._most} rows at once")

    def _forget(self, old: OldRows) -> None:
        """Deletes what nobody may bring back."""
        name = quoted(old.table)
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(
                f"delete from public.{name} t using ({old.query}) old where t::text = old::text",
                old.parameters,
            )
            self.done.add({old.table: cursor.rowcount})


def _table_of(name: str) -> str:
    return name.rpartition("/")[2].rpartition("-")[0]


def say(text: str) -> None:
    """A line for whoever reads the Job's log."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def work(asked: Asked) -> Done:
    """What was moved, or would be."""
    import boto3

    connection = connect()
    try:
        with maintenance.alone() as lock:
            if lock is None:
                return Done(asked.before, stopped=AT_WORK)
            cleaning = Cleaning(connection, asked)
            if asked.dry_run:
                cleaning.count()
            else:
                cleaning.run(Place(boto3.client("s3"), asked.bucket, asked.folder), lock)
            return cleaning.done
    finally:
        connection.close()


def main() -> int:
    """No arguments: everything comes from the environment."""
    import psycopg2

    asked = Asked.from_environment(os.environ)
    needed = json.loads(SCHEMA_FILE.read_text())
    if reason := look(libpq_url(os.environ[CONNECTION]), needed):
        raise SystemExit(f"not cleaned: {reason}")
    try:
        done = work(asked)
    except psycopg2.Error as error:
        raise SystemExit(
            f"stopped, and nothing is lost; the next run continues: {' '.join(str(error).split())}"
        ) from None
    sys.stdout.write(done.line() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
