"""Whether a file is one that Kibana imports: the attributes of its types, its versions, and references that lead somewhere."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kibana.objects import CORE_VERSION, VERSIONS

_TEXT, _LIST, _MAP, _FLAG, _NUMBER = (str,), (list,), (dict,), (bool,), (int, float)

ATTRIBUTES: Final[Mapping[str, Mapping[str, tuple[type, ...]]]] = {
    "index-pattern": {
        "allowHidden": _FLAG,
        "allowNoIndex": _FLAG,
        "fieldAttrs": _TEXT,
        "fieldFormatMap": _TEXT,
        "fields": _TEXT,
        "name": _TEXT,
        "runtimeFieldMap": _TEXT,
        "sourceFilters": _TEXT,
        "timeFieldName": _TEXT,
        "title": _TEXT,
    },
    "search": {
        "breakdownField": _TEXT,
        "columns": _LIST,
        "description": _TEXT,
        "grid": _MAP,
        "hideAggregatedPreview": _FLAG,
        "hideChart": _FLAG,
        "isTextBasedQuery": _FLAG,
        "kibanaSavedObjectMeta": _MAP,
        "refreshInterval": _MAP,
        "rowHeight": _NUMBER,
        "rowsPerPage": _NUMBER,
        "sort": _LIST,
        "timeRange": _MAP,
        "timeRestore": _FLAG,
        "title": _TEXT,
        "usesAdHocDataView": _FLAG,
        "viewMode": _TEXT,
    },
    "visualization": {
        "description": _TEXT,
        "kibanaSavedObjectMeta": _MAP,
        "savedSearchRefName": _TEXT,
        "title": _TEXT,
        "uiStateJSON": _TEXT,
        "version": _NUMBER,
        "visState": _TEXT,
    },
    "dashboard": {
        "controlGroupInput": _MAP,
        "description": _TEXT,
        "kibanaSavedObjectMeta": _MAP,
        "optionsJSON": _TEXT,
        "panelsJSON": _TEXT,
        "refreshInterval": _MAP,
        "timeFrom": _TEXT,
        "timeRestore": _FLAG,
        "timeTo": _TEXT,
        "title": _TEXT,
        "version": _NUMBER,
    },
}
"""Of each type what it may have: Kibana refuses a saved search or a dashboard with anything else."""

REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "index-pattern": ("title",),
    "search": ("title", "kibanaSavedObjectMeta"),
    "visualization": ("title", "visState", "kibanaSavedObjectMeta"),
    "dashboard": ("title", "kibanaSavedObjectMeta", "panelsJSON"),
}
TOP: Final = {
    "attributes",
    "coreMigrationVersion",
    "id",
    "managed",
    "references",
    "type",
    "typeMigrationVersion",
}
WIDTH: Final = 48
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def problems(text: str) -> list[str]:
    """What is wrong with the file; nothing if Kibana can import it."""
    found: list[str] = []
    objects: list[dict[str, Any]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            one = json.loads(line)
        except json.JSONDecodeError as error:
            found.append(f"line {number}: no JSON: {error}")
            continue
        if not isinstance(one, dict) or not one.keys() >= TOP:
            found.append(f"line {number}: no saved object")
        elif one["type"] not in VERSIONS:
            found.append(f"line {number}: nobody knows the type {one['type']!r}")
        else:
            objects.append(one)
    if not objects:
        return [*found, "no saved objects"]
    for one in objects:
        found += [f"{one['type']} {one['id']}: {what}" for what in _object(one)]
    return [*found, *_whole(objects)]


def _whole(objects: list[dict[str, Any]]) -> Iterator[str]:
    there = Counter((one["type"], one["id"]) for one in objects)
    yield from (
        f"{kind} {name} is there {times} times"
        for (kind, name), times in there.items()
        if times > 1
    )
    for one in objects:
        for reference in one["references"]:
            if (reference.get("type"), reference.get("id")) not in there:
                yield f"{one['type']} {one['id']}: refers to {reference}, which is not there"


def _object(one: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(one.keys() - TOP):
        yield f"nobody knows {key!r}"
    for key, highest in (
        ("coreMigrationVersion", CORE_VERSION),
        ("typeMigrationVersion", VERSIONS[one["type"]]),
    ):
        if not isinstance(one[key], str) or not _VERSION.fullmatch(one[key]):
            yield f"{key} is no version: {one[key]!r}"
        elif _parts(one[key]) > _parts(highest):
            yield f"{key} {one[key]} is newer than the form that is checked here, {highest}"
    attributes, known = one["attributes"], ATTRIBUTES[one["type"]]
    for key in REQUIRED[one["type"]]:
        if not attributes.get(key):
            yield f"no {key}"
    for key, value in attributes.items():
        if key not in known:
            yield f"nobody knows {key!r}"
        elif type(value) not in known[key]:
            yield f"{key}: {value!r} is no {known[key][0].__name__}"
    try:
        yield from _inside(one, {reference["name"] for reference in one["references"]})
    except (json.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        yield f"what is in it cannot be read: {error!r}"


def _parts(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _inside(one: Mapping[str, Any], names: set[str]) -> Iterator[str]:
    """What is in the texts of JSON: names of references, and the panels' places."""
    attributes = one["attributes"]
    wanted: set[str] = set()
    if one["type"] != "index-pattern":
        source = json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
        wanted |= {source["indexRefName"]} if "indexRefName" in source else set()
        if source.get("query", {}).get("language") != "lucene":
            yield "its query is not Lucene's, which Elasticsearch reads as it is"
    if one["type"] == "visualization":
        wanted |= {attributes[key] for key in ("savedSearchRefName",) if key in attributes}
        json.loads(attributes["visState"])["aggs"]
    if one["type"] == "dashboard":
        panels = json.loads(attributes["panelsJSON"])
        wanted |= {f"{panel['panelIndex']}:{panel['panelRefName']}" for panel in panels}
        controls = json.loads(attributes.get("controlGroupInput", {}).get("panelsJSON", "{}"))
        wanted |= {f"controlGroup_{name}:optionsListDataView" for name in controls}
        yield from _places(panels)
    for name in sorted(wanted - names):
        yield f"its content names {name}, its references do not"
    for name in sorted(names - wanted):
        yield f"its references name {name}, its content does not"


def _places(panels: list[dict[str, Any]]) -> Iterator[str]:
    cells: Counter[tuple[int, int]] = Counter()
    for panel in panels:
        place = panel["gridData"]
        if place["x"] + place["w"] > WIDTH:
            yield f"panel {panel['panelIndex']} is wider than the grid"
        across = range(place["x"], place["x"] + place["w"])
        cells.update((x, y) for x in across for y in range(place["y"], place["y"] + place["h"]))
    if any(times > 1 for times in cells.values()):
        yield "panels lie over each other"
