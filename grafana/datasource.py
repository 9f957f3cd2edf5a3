"""InfluxDB as a data source of Grafana: its reference, and the type of its queries, which the SDK has not."""

from typing import Any, Final, Self

from grafana_foundation_sdk.cog import builder, runtime, variants
from grafana_foundation_sdk.models.common import DataSourceRef

TYPE: Final = "influxdb"
UID: Final = "aerodrome-metrics"
"""Dashboards and alerts name it; charts/monitoring/files/provisioning/datasources gives it."""

SERIES, TABLE = "time_series", "table"


def reference() -> DataSourceRef:
    """Whose query it is."""
    return DataSourceRef(type_val=TYPE, uid=UID)


class InfluxQuery(variants.Dataquery):
    """One query in InfluxQL, as Grafana's plugin stores it."""

    datasource: DataSourceRef | None
    query: str
    alias: str | None
    result_format: str
    ref_id: str | None
    hide: bool | None

    def __init__(
        self,
        query: str = "",
        alias: str | None = None,
        result_format: str = SERIES,
        ref_id: str | None = None,
        hide: bool | None = None,
        datasource: DataSourceRef | None = None,
    ) -> None:
        self.query, self.alias, self.result_format = query, alias, result_format
        self.ref_id, self.hide, self.datasource = ref_id, hide, datasource

    def to_json(self) -> dict[str, object]:
        """As in a dashboard's file."""
        given = {"alias": self.alias, "refId": self.ref_id, "hide": self.hide}
        return {
            "query": self.query,
            "rawQuery": True,
            "resultFormat": self.result_format,
            **({} if self.datasource is None else {"datasource": self.datasource}),
            **{key: value for key, value in given.items() if value is not None},
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The other way round."""
        return cls(
            query=data["query"],
            alias=data.get("alias"),
            result_format=data["resultFormat"],
            ref_id=data.get("refId"),
            hide=data.get("hide"),
            datasource=DataSourceRef.from_json(data["datasource"])
            if "datasource" in data
            else None,
        )


class InfluxTarget(builder.Builder[InfluxQuery]):
    """What panels and rules of the SDK take."""

    def __init__(
        self, query: str, *, alias: str | None = None, form: str = SERIES, ref_id: str = "A"
    ) -> None:
        self._query = InfluxQuery(query, alias, form, ref_id, datasource=reference())

    def build(self) -> InfluxQuery:
        """The query itself."""
        return self._query


def register() -> None:
    """Lets the SDK read such queries from a file."""
    runtime.register_dataquery_variant(
        runtime.DataqueryConfig(identifier=TYPE, from_json_hook=InfluxQuery.from_json)
    )
