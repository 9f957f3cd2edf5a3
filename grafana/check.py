"""Whether a dashboard's file is one: the SDK's types, and what Grafana would find out only when somebody looks."""

import json
import re
import types
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import datasource, influxql
from grafana.datasource import InfluxQuery
from grafana.errors import GrafanaError

_FROM = re.compile(r'FROM "([^"]+)"')
WIDTH = 24


def problems(text: str) -> list[str]:
    """What is wrong with the file of a dashboard; nothing if Grafana can show it."""
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        return [f"no JSON: {error}"]
    register_default_plugins()
    datasource.register()
    try:
        model = Dashboard.from_json(content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return [f"no dashboard: {error!r}"]
    found = list(_mistyped(model, type(model), "dashboard"))
    if found:
        return found
    again = json.loads(JSONEncoder().encode(model))
    return [*_lost(content, again, "dashboard"), *_whole(model), *_panels(model)]


def _whole(model: Dashboard) -> Iterator[str]:
    for name in ("title", "uid"):
        if not getattr(model, name):
            yield f"dashboard: no {name}"
    if not model.panels:
        yield "dashboard: no panels"


def _panels(model: Dashboard) -> Iterator[str]:
    panels: list[Any] = list(model.panels or ())
    for number, times in Counter(panel.id_val for panel in panels).items():
        if times > 1 or number is None:
            yield f"{times} panels with the id {number}"
    cells: Counter[tuple[int, int]] = Counter()
    for panel in panels:
        yield from (f'panel "{panel.title}": {one}' for one in _panel(panel))
        if place := panel.grid_pos:
            cells.update(
                (x, y)
                for x in range(place.x, place.x + place.w)
                for y in range(place.y, place.y + place.h)
            )
            if place.x + place.w > WIDTH:
                yield f'panel "{panel.title}": wider than the grid'
    if any(times > 1 for times in cells.values()):
        yield "panels lie over each other"


def _panel(panel: Any) -> Iterator[str]:
    if panel.type_val == "row":
        return
    if not panel.targets:
        yield "no query"
    for target in panel.targets or ():
        if not isinstance(target, InfluxQuery):
            yield "a query of another data source"
            continue
        if target.datasource is None or target.datasource.uid != datasource.UID:
            yield f"a query whose data source is not {datasource.UID}"
        names = _FROM.findall(target.query)
        if not names:
            yield "a query of no measurement"
        for name in names:
            try:
                influxql.measurement(name)
            except GrafanaError as error:
                yield str(error)


def _lost(given: Any, known: Any, place: str) -> Iterator[str]:
    """What the types do not have: Grafana would pass over it silently."""
    if isinstance(given, dict) and isinstance(known, dict):
        for key, value in given.items():
            if key not in known:
                yield f"{place}: nobody knows {key!r}"
            else:
                yield from _lost(value, known[key], f"{place}.{key}")
    elif isinstance(given, list) and isinstance(known, list):
        for number, (one, other) in enumerate(zip(given, known, strict=False)):
            yield from _lost(one, other, f"{place}[{number}]")


def _mistyped(value: Any, wanted: Any, place: str) -> Iterator[str]:
    """The values that are not of the type that the SDK says: it reads a file without looking at them."""
    kind, parts = get_origin(wanted), get_args(wanted)
    if wanted is Any or wanted is object or isinstance(wanted, TypeVar):
        return
    if kind is Union or kind is types.UnionType:
        if all(any(True for _ in _mistyped(value, part, place)) for part in parts):
            yield from min((list(_mistyped(value, part, place)) for part in parts), key=_depth)
    elif kind is Literal:
        if value not in parts:
            yield f"{place}: {value!r} is none of {', '.join(map(str, parts))}"
    elif kind is list or kind is dict:
        yield from _contents(value, kind, parts, place)
    elif issubclass(wanted, Enum):
        # A file has the value, and the SDK leaves it so.
        if value not in [one.value for one in wanted]:
            yield f"{place}: {value!r} is no {wanted.__name__}"
    elif wanted is float and type(value) is int:
        return
    elif not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        yield f"{place}: {value!r} is no {wanted.__name__}"
    elif hasattr(value, "to_json"):
        for name, hint in get_type_hints(type(value)).items():
            yield from _mistyped(getattr(value, name), hint, f"{place}.{name}")


def _depth(found: list[str]) -> int:
    # The part of a union that fits best fails deepest.
    return -max(one.split(":")[0].count(".") for one in found)


def _contents(value: Any, kind: type, parts: tuple[Any, ...], place: str) -> Iterator[str]:
    if not isinstance(value, kind):
        yield f"{place}: {value!r} is no {kind.__name__}"
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _mistyped(one, parts[1], f"{place}.{key}")
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _mistyped(one, parts[0], f"{place}[{number}]")
