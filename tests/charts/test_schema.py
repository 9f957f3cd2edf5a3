"""What the chart refuses before anything is installed, and that its schema tells the truth."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.charts.rendering import (
    CHART,
    EVERYTHING,
    NOTHING,
    REQUIRED,
    merge,
    render,
    render_exactly,
)

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """The node with what its $ref, or those in its allOf, lead to."""
    references = [one["$ref"] for one in [node, *node.get("allOf", [])] if "$ref" in one]
    for reference in references:
        node = SCHEMA["definitions"][reference.rsplit("/", 1)[1]] | node
    return node


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every value that the schema knows, by its dotted path."""
    for key, child in resolve(node).get("properties", {}).items():
        yield f"{path}{key}", resolve(child)
        yield from nodes(child, f"{path}{key}.")


def leaves(values: dict[str, Any], path: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield f"{path}{key}"
        if isinstance(value, dict):
            yield from leaves(value, f"{path}{key}.")


def test_every_value_says_what_it_means() -> None:
    silent = [path for path, node in nodes(SCHEMA) if len(node.get("description", "")) < 8]
    assert not silent


def test_every_default_is_in_the_schema_and_every_value_has_a_default() -> None:
    known = {path for path, _ in nodes(SCHEMA)}
    given = set(leaves(DEFAULTS))
    assert not given - known
    # `global` is Helm's own. Quantities and kinds of affinity may be left out one by one.
    loose = (".resources.", ".waitResources.", ".affinity.")
    optional = {p for p in known if any(one in p for one in loose) or p == "global"}
    assert not known - given - optional


def test_every_object_is_closed() -> None:
    open_objects = [
        path
        for path, node in [("values", SCHEMA), *nodes(SCHEMA)]
        if node.get("type") == "object" and "additionalProperties" not in node and path != "global"
    ]
    assert not open_objects


@pytest.mark.parametrize("values", [{}, EVERYTHING, NOTHING], ids=["least", "most", "none"])
def test_good_values_pass(values: dict[str, Any]) -> None:
    assert render(values).error == ""


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"exector": "LocalExecutor"}, "exector"),
        ({"scheduler": {"replica": 1}}, "replica"),
        ({"postgres": {"storage": {"sise": "1Gi"}}}, "sise"),
        ({"executor": "LocalExecutor, KubernetesExecutor"}, "executor"),
        ({"scheduler": {"replicas": "two"}}, "replicas"),
        ({"scheduler": {"replicas": 0}}, "replicas"),
        ({"scheduler": {"parallelism": 0}}, "parallelism"),
        ({"triggerer": {"enabled": "yes"}}, "enabled"),
        ({"ui": {"nodePort": 8080}}, "nodePort"),
        ({"ui": {"serviceType": "ExternalName"}}, "serviceType"),
        ({"ui": {"baseUrl": "airflow.example"}}, "baseUrl"),
        ({"logs": {"bucket": "My_Bucket"}}, "bucket"),
        ({"logs": {"prefix": "/logs/"}}, "prefix"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"image": {"digest": "", "tag": ""}}, "image"),
        ({"postgres": {"image": {"digest": "", "tag": ""}}}, "postgres"),
        ({"postgres": {"storage": {"size": "big"}}}, "size"),
        ({"environment": "Feature/X"}, "environment"),
        ({"secrets": {"fernet": ""}}, "fernet"),
        ({"secrets": {"fernet": "Not A Name"}}, "fernet"),
        ({"workers": {"resources": {"limits": {"memory": "much"}}}}, "memory"),
        ({"workers": {"resources": {"limits": {"gpu": 1}}}}, "gpu"),
        # Airflow 3 ignores this section without a word.
        ({"config": {"webserver": {"base_url": "http://x"}}}, "webserver"),
        # A secret has no place in the values.
        ({"config": {"core": {"fernet_key": "x"}}}, "fernet_key"),
        ({"config": {"core": {"parallelism": 5}}}, "parallelism"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else value,
)
def test_bad_values_are_refused_by_name(values: dict[str, Any], named: str) -> None:
    rendered = render(values)
    assert not rendered.objects
    assert "values don't meet the specifications of the schema" in rendered.error
    assert named in rendered.error


@pytest.mark.parametrize(
    ("executor", "named"),
    [
        ("SequentialExecutor", 'there is no "SequentialExecutor"; known are '),
        ("LocalExecutor,KubernetesExecuter", 'there is no "KubernetesExecuter"; known are '),
        ("LocalExecutor,LocalExecutor", '"LocalExecutor" is named twice'),
        ("sequential,LocalExecutor", '"LocalExecutor" is named twice'),
    ],
)
def test_executors_that_do_not_exist_are_refused_by_name(executor: str, named: str) -> None:
    rendered = render({"executor": executor})
    assert not rendered.objects
    assert named in rendered.error


@pytest.mark.parametrize("name", sorted({*REQUIRED["secrets"]} - {"celery"}))
def test_a_missing_secret_name_is_refused(name: str) -> None:
    secrets = {key: value for key, value in REQUIRED["secrets"].items() if key != name}
    rendered = render_exactly(merge({**REQUIRED, "secrets": {}}, {"secrets": secrets}))
    assert not rendered.objects
    assert name in rendered.error


def test_without_values_the_chart_says_what_it_needs() -> None:
    rendered = render_exactly({})
    assert not rendered.objects
    for needed in ("image", "secrets", "postgres"):
        assert needed in rendered.error
