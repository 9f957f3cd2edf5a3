"""### Assets: run when the data are there, not when the clock says so

An **asset** is a name for data, a URI or any other. A task that has it among its `outlets` updates it when it succeeds; a DAG whose
`schedule` is the asset then runs. Neither DAG knows the other.

Four DAGs: a producer; a consumer of one asset; a consumer of a condition, `(orders | returns) & rates`; and a consumer
of an **AssetAlias**, of which the producer says at run time which asset it stands for.

**When to use it.** Between teams, and wherever "two hours later it should be there" stands in a schedule now.

**What to look at.** The page *Assets*: who makes each, who waits for it, and its events. Unpause the three consumers,
then trigger `example_assets_producer`. The consumers' runs are of the type *asset triggered* and name
the events that started them.
"""

from datetime import datetime
from typing import Any

from airflow.sdk import Asset, AssetAlias, Metadata, dag, task

ORDERS = Asset("example_orders")
RETURNS = Asset("example_returns")
RATES = Asset("example_rates")
REPORT = AssetAlias("example_report")

COMMON: dict[str, Any] = {
    "start_date": datetime(2026, 1, 1),
    "catchup": False,
    "default_args": {"owner": "examples", "retries": 0},
    "tags": ["example"],
}


@dag(**COMMON, schedule=None, doc_md=__doc__)
def example_assets_producer() -> None:
    """Orders and rates are made, returns are not; the report's asset is known at run time only."""

    @task(outlets=[ORDERS])
    def make_orders() -> Any:
        """What is said about the update stands in its event."""
        yield Metadata(ORDERS, extra={"rows": 3})

    @task(outlets=[RATES])
    def make_rates() -> None:
        """An update without a word."""

    @task(outlets=[REPORT])
    def make_report(outlet_events: Any) -> None:
        asset = Asset("example_report_of_today")
        outlet_events[REPORT].add(asset, extra={"pages": 2})

    [make_orders(), make_rates()] >> make_report()


@dag(**COMMON, schedule=[ORDERS], doc_md="Runs when `example_orders` was updated.")
def example_assets_consumer() -> None:
    """One asset; a list of several would wait for all of them."""

    @task(inlets=[ORDERS])
    def read(triggering_asset_events: Any) -> int:
        """The events of this run, with what the producer said."""
        return sum(event.extra["rows"] for event in triggering_asset_events[ORDERS])

    read()


@dag(
    **COMMON,
    schedule=(ORDERS | RETURNS) & RATES,
    doc_md="Runs when `example_rates` and one of the other two were updated.",
)
def example_assets_condition() -> None:
    """Any of two, and one more."""

    @task
    def convert(triggering_asset_events: Any) -> list[str]:
        return sorted(asset.name for asset in triggering_asset_events)

    convert()


@dag(**COMMON, schedule=[REPORT], doc_md="Runs when an asset was added to `example_report`.")
def example_assets_alias() -> None:
    """Whatever the alias stands for."""

    @task
    def publish(dag_run: Any) -> str:
        return str(dag_run.run_id)

    publish()


example_assets_producer()
example_assets_consumer()
example_assets_condition()
example_assets_alias()
