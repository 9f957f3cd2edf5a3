"""The cluster's nodes, PostgreSQL, PgBouncer, and certificates."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.influxql import INTERVAL, select
from grafana.panels import BYTES, PERCENT, Line, bars, board, graph
from infra.contract import metrics

_NODE = metrics.NODE.name
_BY = ("node_name",)
DISK_USED = 'last("fs_used_bytes") / last("fs_capacity_bytes") * 100 AS "used"'
"""Percent."""

DAYS_LEFT = 'last("expiry") / 86400 AS "days"'

CONNECTIONS_USED = 'last("connections") / last("connection_limit") * 100 AS "used"'
"""Percent."""

_DATABASE = metrics.POSTGRESQL_DATABASE


def by_database(fields: str) -> list[Line]:
    """A figure of each database over time."""
    query = select(fields, _DATABASE.name, by=_DATABASE.tags, every=INTERVAL)
    return [Line(query, "$tag_database")]


def _pool(field: str, what: str = "") -> Line:
    pools = metrics.PGBOUNCER_POOLS
    query = select(f'{field} AS "value"', pools.name, by=pools.tags, every=INTERVAL)
    pool = "$tag_db as $tag_user"
    return Line(query, f"{what}: {pool}" if what else pool)


def dashboard() -> Dashboard:
    """The whole of it."""
    name = "$tag_node_name"
    processors = select(
        'mean("cpu_usage_nanocores") / 1000000000 AS "cores"', _NODE, by=_BY, every=INTERVAL
    )
    memory = select('mean("memory_working_set_bytes") AS "used"', _NODE, by=_BY, every=INTERVAL)
    free = select('min("memory_available_bytes") AS "free"', _NODE, by=_BY, every=INTERVAL)
    disk = select(DISK_USED, _NODE, by=_BY, every=INTERVAL)
    server = select(
        'max("connections") AS "connections", last("connection_limit") AS "limit"',
        metrics.POSTGRESQL.name,
        every=INTERVAL,
    )
    certificates = select(
        DAYS_LEFT, metrics.CERTIFICATE.name, by=metrics.CERTIFICATE.tags, every=INTERVAL
    )
    return (
        board(
            "aerodrome-infrastructure",
            "Infrastructure",
            "Nodes, PostgreSQL, PgBouncer, certificates.",
        )
        .with_panel(graph("Processors in use", [Line(processors, name)]))
        .with_panel(graph("Memory in use", [Line(memory, name)], unit=BYTES))
        .with_panel(graph("Memory available, the least", [Line(free, name)], unit=BYTES))
        .with_panel(graph("Disk in use", [Line(disk, name)], unit=PERCENT))
        .with_panel(graph("PostgreSQL: connections", [Line(server, "$col")]))
        .with_panel(
            graph(
                "PostgreSQL: connections by database, the most",
                by_database('max("connections") AS "connections"'),
            )
        )
        .with_panel(
            graph(
                "PostgreSQL: size by database",
                by_database('last("size_bytes") AS "size"'),
                unit=BYTES,
            )
        )
        .with_panel(graph("PgBouncer: clients that wait, the most", [_pool('max("cl_waiting")')]))
        .with_panel(
            graph(
                "PgBouncer: connections to PostgreSQL, the most",
                [_pool('max("sv_active")', "in use"), _pool('max("sv_idle")', "idle")],
                description="Of an environment's own PgBouncer; branches' are not asked.",
            )
        )
        .with_panel(graph("Certificates: days left", [Line(certificates, "$tag_source")]))
        .with_panel(
            bars("Disk in use now", select(DISK_USED, _NODE, by=_BY), name, unit=PERCENT, most=100)
        )
    )
