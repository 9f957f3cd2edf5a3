"""Kibana's saved objects, as far as the kit makes any: typed here, a line of its NDJSON each.

The versions say which form an object has. Kibana takes older ones and brings them up to date; of a newer one than its own it
takes none. So they are the oldest that know these forms: what is here can be imported from Kibana 8.9 on.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

CORE_VERSION: Final = "8.8.0"
VERSIONS: Final = {
    "index-pattern": "8.0.0",
    "search": "7.9.3",
    "visualization": "8.5.0",
    "dashboard": "8.9.0",
}
"""By the type of the object."""

DATA_VIEW_REFERENCE: Final = "kibanaSavedObjectMeta.searchSourceJSON.index"
SEARCH_REFERENCE: Final = "search_0"


@dataclass(frozen=True)
class Reference:
    """What an object refers to: by the name that its content has for it."""

    name: str
    type: str
    id: str


@dataclass(frozen=True)
class SavedObject:
    """One line of the file."""

    type: str
    id: str
    attributes: Mapping[str, Any]
    references: Sequence[Reference] = ()

    def as_line(self) -> str:
        """As Kibana's export writes it, without what follows from the day of the export."""
        content = {
            "attributes": self.attributes,
            "coreMigrationVersion": CORE_VERSION,
            "id": self.id,
            "managed": False,
            "references": [vars(one) for one in self.references],
            "type": self.type,
            "typeMigrationVersion": VERSIONS[self.type],
        }
        return json.dumps(content, sort_keys=True, ensure_ascii=False)


def _compact(content: object) -> str:
    """Kibana keeps parts of an object as texts of JSON."""
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _lucene(query: str) -> dict[str, str]:
    # Elasticsearch reads it as it is; Kibana's own language would be translated by Kibana first.
    return {"query": query, "language": "lucene"}


@dataclass(frozen=True)
class DataView:
    """Which indices are searched."""

    id: str
    name: str
    indices: str
    time_field: str
    seconds: Sequence[str] = ()
    """Fields that are durations in seconds."""

    def build(self) -> SavedObject:
        formats = {
            one: {
                "id": "duration",
                "params": {"inputFormat": "seconds", "outputFormat": "humanizePrecise"},
            }
            for one in self.seconds
        }
        return SavedObject(
            "index-pattern",
            self.id,
            {
                "allowNoIndex": True,
                "fieldAttrs": "{}",
                "fieldFormatMap": _compact(formats),
                "fields": "[]",
                "name": self.name,
                "runtimeFieldMap": "{}",
                "sourceFilters": "[]",
                "timeFieldName": self.time_field,
                "title": self.indices,
            },
        )


@dataclass(frozen=True)
class Search:
    """A saved search: which documents, which of their fields, in which order."""

    id: str
    title: str
    description: str
    view: DataView
    query: str
    columns: Sequence[str]
    sort: Sequence[tuple[str, str]]
    filters: Sequence[Mapping[str, Any]] = ()

    def build(self) -> SavedObject:
        source = {
            "filter": list(self.filters),
            "highlightAll": True,
            "indexRefName": DATA_VIEW_REFERENCE,
            "query": _lucene(self.query),
            "version": True,
        }
        return SavedObject(
            "search",
            self.id,
            {
                "columns": list(self.columns),
                "description": self.description,
                "grid": {},
                "hideChart": False,
                "isTextBasedQuery": False,
                "kibanaSavedObjectMeta": {"searchSourceJSON": _compact(source)},
                "sort": [list(one) for one in self.sort],
                "timeRestore": False,
                "title": self.title,
            },
            [Reference(DATA_VIEW_REFERENCE, "index-pattern", self.view.id)],
        )


@dataclass(frozen=True)
class Table:
    """A table of what a saved search finds: a row for each value of a field, or of several."""

    id: str
    title: str
    search: Search
    by: Sequence[str]
    column: str
    highest: str = ""
    """The field whose highest value is shown; without, documents are counted."""

    rows: int = 20

    def build(self) -> SavedObject:
        label = {"customLabel": self.column}
        metric = (
            {"type": "max", "params": {"field": self.highest, **label}}
            if self.highest
            else {"type": "count", "params": label}
        )
        aggregations = [{"enabled": True, "id": "1", "schema": "metric", **metric}]
        for number, name in enumerate(self.by, start=2):
            params = {"field": name, "order": "desc", "orderBy": "1", "size": self.rows}
            aggregations.append(
                {
                    "enabled": True,
                    "id": str(number),
                    "params": params,
                    "schema": "bucket",
                    "type": "terms",
                }
            )
        state = {
            "aggs": aggregations,
            "params": {
                "perPage": self.rows,
                "percentageCol": "",
                "showMetricsAtAllLevels": False,
                "showPartialRows": False,
                "showTotal": False,
                "totalFunc": "sum",
            },
            "title": self.title,
            "type": "table",
        }
        source = {"filter": [], "query": _lucene("")}
        return SavedObject(
            "visualization",
            self.id,
            {
                "description": "",
                "kibanaSavedObjectMeta": {"searchSourceJSON": _compact(source)},
                "savedSearchRefName": SEARCH_REFERENCE,
                "title": self.title,
                "uiStateJSON": "{}",
                "version": 1,
                "visState": _compact(state),
            },
            [Reference(SEARCH_REFERENCE, "search", self.search.id)],
        )


@dataclass(frozen=True)
class Panel:
    """Where a saved search or a table is on a dashboard."""

    shows: Search | Table
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Dashboard:
    """Panels, and above them a choice of values for some fields, which holds for all panels."""

    id: str
    title: str
    description: str
    view: DataView
    panels: Sequence[Panel]
    choices: Mapping[str, str] = field(default_factory=dict)
    """Titles by the names of fields."""

    def build(self) -> SavedObject:
        panels, references = [], []
        for number, panel in enumerate(self.panels, start=1):
            built = panel.shows.build()
            place = {"h": panel.height, "i": str(number), "w": panel.width, "x": panel.x}
            panels.append(
                {
                    "embeddableConfig": {"enhancements": {}},
                    "gridData": {**place, "y": panel.y},
                    "panelIndex": str(number),
                    "panelRefName": f"panel_{number}",
                    "type": built.type,
                }
            )
            references.append(Reference(f"{number}:panel_{number}", built.type, built.id))
        references += [
            Reference(f"controlGroup_{name}:optionsListDataView", "index-pattern", self.view.id)
            for name in self.choices
        ]
        options = {"hidePanelTitles": False, "syncColors": False, "useMargins": True}
        source = {"filter": [], "query": _lucene("")}
        return SavedObject(
            "dashboard",
            self.id,
            {
                "controlGroupInput": self._controls(),
                "description": self.description,
                "kibanaSavedObjectMeta": {"searchSourceJSON": _compact(source)},
                "optionsJSON": _compact(options),
                "panelsJSON": _compact(panels),
                "timeRestore": False,
                "title": self.title,
                "version": 1,
            },
            references,
        )

    def _controls(self) -> dict[str, str]:
        ignored = ("Filters", "Query", "Timerange", "Validations")
        controls = {
            name: {
                "explicitInput": {
                    "enhancements": {},
                    "fieldName": name,
                    "id": name,
                    "title": title,
                },
                "grow": True,
                "order": order,
                "type": "optionsListControl",
                "width": "medium",
            }
            for order, (name, title) in enumerate(self.choices.items())
        }
        return {
            "chainingSystem": "HIERARCHICAL",
            "controlStyle": "oneLine",
            "ignoreParentSettingsJSON": _compact({f"ignore{one}": False for one in ignored}),
            "panelsJSON": _compact(controls),
        }
