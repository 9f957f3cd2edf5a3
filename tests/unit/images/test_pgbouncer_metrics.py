"""PgBouncer's pools in the metrics: PostgreSQL, PgBouncer, Telegraf and InfluxDB are all real."""

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg2
import pytest

from infra.contract import metrics
from tests.unit.images import metrics_pipeline, pgbouncer, postgresql
from tests.unit.images.metrics_pipeline import Pipeline
from tests.unit.images.pgbouncer import PgBouncer
from tests.unit.images.postgresql import MASTER, MASTER_PASSWORD
from tests.unit.images.real_airflow import until

PASSWORD = "the monitor's p@ss/word"
POOL = 2


@pytest.fixture(scope="module")
def pool() -> Iterator[PgBouncer]:
    users = {MASTER: MASTER_PASSWORD, metrics.MONITOR: PASSWORD}
    # Short: the paths of Unix sockets end at 108 characters.
    with (
        tempfile.TemporaryDirectory(prefix="pb-") as folder,
        postgresql.running(postgresql.VERSIONS[0]) as server,
        pgbouncer.running(
            server,
            Path(folder),
            users,
            sslmode="require" if server.tls else "prefer",
            poolSize=POOL,
        ) as found,
    ):
        yield found


@pytest.fixture(scope="module")
def pipeline(pool: PgBouncer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Telegraf asks it; that PostgreSQL does not answer is no matter of it."""
    folder = tmp_path_factory.mktemp("metrics")
    (folder / "database").mkdir()
    login = f"{metrics.MONITOR}:{quote(PASSWORD, safe='')}"
    for key, address in (
        (metrics.MONITOR_ADDRESS, f"127.0.0.1:1/{MASTER}"),
        # As infra/database_monitor.py writes it.
        (metrics.POOLER_ADDRESS, f"127.0.0.1:{pool.port}/pgbouncer"),
    ):
        (folder / "database" / key).write_text(f"postgres://{login}@{address}?sslmode=disable")
    asked = {"secret": metrics.MONITOR_SECRET, "pgbouncer": True}
    with metrics_pipeline.running(folder, postgresql=asked) as found:
        yield found


def last(pipeline: Pipeline) -> dict[str, object]:
    """The figures of the master's pool."""
    pools = metrics.PGBOUNCER_POOLS
    fields = ", ".join(f'last("{name}") AS "{name}"' for name in metrics.FIELDS[pools.kind])
    where = f"\"user\" = '{MASTER}' AND \"db\" = '{MASTER}'"
    rows = pipeline.ask(f'SELECT {fields} FROM "{pools.name}" WHERE time > 0 AND {where}')
    return rows[0] if rows else {}


def test_clients_that_wait_and_connections_are_those_of_the_pool(
    pipeline: Pipeline, pool: PgBouncer
) -> None:
    busy = [pool.connect(MASTER) for _ in range(POOL)]
    for one in busy:
        one.cursor().execute("select 1")
    waiting = pool.connect(MASTER)
    asking = threading.Thread(target=lambda: waiting.cursor().execute("select 1"))
    asking.start()
    try:
        found = until(lambda: (row := last(pipeline)).get("cl_waiting") == 1 and row)
        assert (found["cl_active"], found["sv_active"], found["sv_idle"]) == (POOL, POOL, 0)
    finally:
        for one in busy:
            one.close()
        asking.join(30)
        waiting.close()
    until(lambda: (row := last(pipeline))["cl_waiting"] == 0 and row["sv_active"] == 0)


def test_tags_are_database_and_user_and_no_address_or_password_is_anywhere(
    pipeline: Pipeline,
) -> None:
    until(lambda: last(pipeline))
    name = metrics.PGBOUNCER_POOLS.name
    tags = {row["tagKey"] for row in pipeline.ask(f'SHOW TAG KEYS FROM "{name}"')}
    assert tags == set(metrics.PGBOUNCER_POOLS.tags)
    assert "pgbouncer" not in {
        row["value"] for row in pipeline.ask(f'SHOW TAG VALUES FROM "{name}" WITH KEY = "db"')
    }
    for word in (PASSWORD, quote(PASSWORD, safe="")):
        assert word not in pipeline.log("telegraf")


def test_who_asks_may_change_nothing(pool: PgBouncer) -> None:
    with pytest.raises(psycopg2.DatabaseError, match="admin access needed"):
        console = pool.connect("pgbouncer", metrics.MONITOR, PASSWORD)
        console.autocommit = True
        console.cursor().execute("pause")
