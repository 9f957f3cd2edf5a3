"""What Kibana asks Elasticsearch for an object: its query and filters as they are in it, and a table's aggregations.

Lucene's queries and filters go to Elasticsearch as they are; so there is nothing to translate but where they belong, and the few
aggregations that the kit's tables have. Anything else is refused rather than guessed.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kibana.errors import KibanaError
from kibana.objects import SavedObject

Body = dict[str, Any]


def search(one: SavedObject) -> Body:
    """Of a saved search."""
    source = _source(one)
    return {
        "query": _query(source),
        "sort": [{name: {"order": order}} for name, order in one.attributes["sort"]],
    }


def table(one: SavedObject, objects: Sequence[SavedObject]) -> Body:
    """Of a table, which is of what a saved search finds."""
    (of,) = [
        found
        for reference in one.references
        if reference.name == one.attributes["savedSearchRefName"]
        for found in objects
        if (found.type, found.id) == (reference.type, reference.id)
    ]
    own, base = _query(_source(one)), _query(_source(of))
    query = {"bool": {kind: own["bool"][kind] + base["bool"][kind] for kind in own["bool"]}}
    return {"size": 0, "query": query, "aggs": _aggregations(one)}


def _source(one: SavedObject) -> Body:
    found: Body = json.loads(one.attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
    return found


def _query(source: Mapping[str, Any]) -> Body:
    query = source["query"]
    if query["language"] != "lucene":
        raise KibanaError(f"The language {query['language']} is Kibana's own")
    must: list[Body] = []
    if text := query["query"]:
        must.append({"query_string": {"query": text, "analyze_wildcard": True}})
    on = [one for one in source["filter"] if not one["meta"].get("disabled")]
    return {
        "bool": {
            "must": must,
            "filter": [one["query"] for one in on if not one["meta"].get("negate")],
            "must_not": [one["query"] for one in on if one["meta"].get("negate")],
        }
    }


def _aggregations(one: SavedObject) -> Body:
    found: Body = {}
    inner: Body = {}
    ordered: Body = {}
    for part in json.loads(one.attributes["visState"])["aggs"]:
        params = part["params"]
        match part["type"]:
            case "count":
                ordered[part["id"]] = "_count"
            case "max":
                ordered[part["id"]] = part["id"]
                inner[part["id"]] = {"max": {"field": params["field"]}}
            case "terms":
                found[part["id"]] = {
                    "terms": {
                        "field": params["field"],
                        "size": params["size"],
                        "order": {ordered[params["orderBy"]]: params["order"]},
                    }
                }
            case other:
                raise KibanaError(f"An aggregation of the type {other}")
    # Each bucket has those of the next inside it, and the metric.
    nested: Body = {}
    for name, bucket in reversed(found.items()):
        nested = {name: {**bucket, "aggs": {**inner, **nested}}}
    return nested
