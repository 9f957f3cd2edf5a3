"""Airflow's metrics in charts/airflow: what its processes are told, and that nothing is without them."""

import json

from infra.contract.metrics import DROPPED_TAGS
from tests.charts.rendering import render


def settings(host: str, port: int) -> dict[str, str]:
    """What the value `metrics` adds to Airflow's settings."""
    values = {"environment": "dev", "metrics": {"enabled": True, "host": host, "port": port}}
    with_them = render(values)
    assert not with_them.error
    before = render({"environment": "dev"}).environment()
    return {
        key: value for key, value in with_them.environment().items() if before.get(key) != value
    }


def test_tags_of_single_runs_are_dropped_before_anything_is_counted() -> None:
    dropped = settings("telegraf", 8125)["AIRFLOW__METRICS__STATSD_DISABLED_TAGS"]
    assert tuple(dropped.split(",")) == DROPPED_TAGS


def test_off_nothing_is_rendered_otherwise() -> None:
    off = {"metrics": {"enabled": False, "host": "telegraf", "port": 9}}
    assert render(off).objects == render().objects
    assert "STATSD" not in json.dumps(render().objects)


def test_tasks_have_them_too() -> None:
    found = render({"metrics": {"enabled": True, "host": "telegraf"}})
    sources = found.worker()["spec"]["containers"][0]["envFrom"]
    assert {"configMapRef": {"name": "airflow-config"}} in sources
    assert (
        found.find("ConfigMap", "airflow-config")["data"]["AIRFLOW__METRICS__STATSD_PORT"] == "8125"
    )


def test_a_host_is_needed() -> None:
    assert "metrics.host" in render({"metrics": {"enabled": True}}).error


def test_users_settings_win() -> None:
    found = render(
        {
            "metrics": {"enabled": True, "host": "telegraf"},
            "config": {"metrics": {"statsd_prefix": "mine"}},
        }
    )
    assert found.environment()["AIRFLOW__METRICS__STATSD_PREFIX"] == "mine"
