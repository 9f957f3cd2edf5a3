"""Grafana's provisioning files: the rules of the alerts, the data source, where dashboards are."""

from typing import Any, Final

import yaml
from grafana_foundation_sdk.builders import alerting, expr
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.alerting import RelativeTimeRange

from grafana import datasource
from grafana.alerts import ALERTS, Alert
from grafana.datasource import InfluxTarget
from infra.contract import metrics

FOLDER: Final = "Aerodrome"
EXPRESSION: Final = "__expr__"
RUNBOOKS: Final = "https://aerodrome.invalid/docs/runbooks"
"""A host that cannot exist: Grafana takes no variables in annotations, so charts/monitoring puts there where the pages can be read."""

HEADER: Final = "# Made by `python -m grafana`; grafana/alerts.py and grafana/provisioning.py say what is in it.\n"


def runbook(alert: Alert) -> str:
    """Where an alert's page is."""
    return f"{RUNBOOKS}/{alert.name}.md"


def _threshold(alert: Alert) -> expr.TypeThreshold:
    condition = expr.ExprTypeThresholdConditions().evaluator(
        expr.ExprTypeThresholdConditionsEvaluator()
        .params([alert.threshold])
        .type("gt" if alert.beyond == "gt" else "lt")
    )
    return expr.TypeThreshold().ref_id("C").expression("B").conditions([condition])


def _queries(alert: Alert) -> list[alerting.Query]:
    """The query, the last value of each series, the threshold."""
    past = RelativeTimeRange(from_val=alert.seconds, to=0)
    return [
        alerting.Query("A")
        .datasource_uid(datasource.UID)
        .relative_time_range(past)
        .model(InfluxTarget(alert.query)),
        alerting.Query("B")
        .datasource_uid(EXPRESSION)
        .relative_time_range(past)
        .model(expr.TypeReduce().ref_id("B").expression("A").reducer("last")),
        alerting.Query("C")
        .datasource_uid(EXPRESSION)
        .relative_time_range(past)
        .model(_threshold(alert)),
    ]


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "uid": f"aerodrome-{alert.name}",
        "title": alert.title,
        "condition": "C",
        "data": [query.build() for query in _queries(alert)],
        "noDataState": str(alert.no_data),
        "execErrState": "Error",
        "for": alert.lasting,
        "annotations": {"summary": alert.summary, "runbook_url": runbook(alert)},
        "labels": {"severity": str(alert.severity)},
        "isPaused": False,
    }


def rules() -> str:
    """The file of all alerts."""
    group = {
        "orgId": 1,
        "name": FOLDER,
        "folder": FOLDER,
        "interval": "1m",
        "rules": [_rule(alert) for alert in ALERTS],
    }
    return _yaml({"apiVersion": 1, "groups": [group]})


def data_sources() -> str:
    """InfluxDB, read as its reader; the password is in a file beside Grafana."""
    address = f"http://{metrics.INFLUXDB_SERVICE}.{metrics.NAMESPACE}.svc.cluster.local"
    source = {
        "name": "Aerodrome",
        "uid": datasource.UID,
        "type": datasource.TYPE,
        "access": "proxy",
        "url": f"{address}:{metrics.INFLUXDB_PORT}",
        "user": metrics.READER,
        "isDefault": True,
        "editable": False,
        "jsonData": {"dbName": metrics.DATABASE, "httpMode": "POST", "version": "InfluxQL"},
        "secureJsonData": {"password": f"$__file{{/run/secrets/influxdb/{metrics.READER}}}"},
    }
    return _yaml({"apiVersion": 1, "datasources": [source]})


def dashboard_folders() -> str:
    """Where Grafana finds the dashboards' files."""
    provider = {
        "name": FOLDER,
        "folder": FOLDER,
        "type": "file",
        "allowUiUpdates": False,
        "options": {"path": "/var/lib/grafana/dashboards/aerodrome"},
    }
    return _yaml({"apiVersion": 1, "providers": [provider]})


def _yaml(content: dict[str, Any]) -> str:
    plain = yaml.safe_load(JSONEncoder().encode(content))
    return HEADER + yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=200)
