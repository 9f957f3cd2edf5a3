"""The comparison itself can tell two states apart; needs no Pulumi CLI."""

from typing import Any

import pytest

from sandbox.wire.marshal import SECRET, SIGNATURE
from tests.comparison.states import comparable, differences

BUCKET = "urn:pulumi:dev::demo::aws:s3/bucket:Bucket::logs"


def state(**more: Any) -> dict[str, Any]:
    resource = {
        "urn": BUCKET,
        "type": "aws:s3/bucket:Bucket",
        "custom": True,
        "id": "logs-1234567",
        "provider": "urn:pulumi:dev::demo::pulumi:providers:aws::default::5b2b9a05",
        "dependencies": ["a", "b"],
        "propertyDependencies": {"tags": ["a", "b"], "bucket": []},
        "inputs": {"bucket": "logs-1234567", "tags": {"a": "1"}},
        "outputs": {"bucket": "logs-1234567"},
    }
    return {"resources": [resource | more]}


def test_order_and_what_is_made_up_do_not_count() -> None:
    other = state(
        id="logs-7654321",
        dependencies=["b", "a"],
        propertyDependencies={"tags": ["b", "a"]},
        inputs={"tags": {"a": "1"}, "bucket": "logs-7654321"},
        outputs={"bucket": "logs-7654321"},
    )
    assert differences(comparable(state()), comparable(other)) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("parent", "p"),
        ("dependencies", ["a"]),
        ("propertyDependencies", {"tags": ["a"]}),
        ("inputs", {"bucket": "logs-1234567", "tags": {"a": "2"}}),
        ("outputs", {"bucket": {SIGNATURE: SECRET, "ciphertext": "v1:x"}}),
        ("protect", True),
        ("id", ""),
    ],
)
def test_everything_else_does(key: str, value: Any) -> None:
    found = differences(comparable(state()), comparable(state(**{key: value})))
    assert found
    assert BUCKET in found[0]


def test_missing_resources_are_named() -> None:
    assert differences(comparable(state()), {}) == [f"only the embedded engine has {BUCKET}"]
    assert differences({}, comparable(state())) == [f"only Pulumi's engine has {BUCKET}"]
