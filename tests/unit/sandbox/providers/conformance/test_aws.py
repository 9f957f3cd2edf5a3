"""pulumi-resource-aws, spoken to as Pulumi's real engine speaks, on the emulator."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.wire.protos import provider_pb2
from sandbox.wire.values import UNKNOWN, Properties, Secret, reveal
from tests.unit.sandbox.providers.conformance.real_engine import RealEngine

BUCKET = "aws:s3/bucket:Bucket"
USER, KEY = "aws:iam/user:User", "aws:iam/accessKey:AccessKey"
GROUP = "aws:cloudwatch/logGroup:LogGroup"
DEFAULT_TAGS = json.dumps({"tags": {"kit": "aerodrome"}})


def arguments(**more: str) -> dict[str, str]:
    return {"region": "us-east-1", "version": "7.51.1", "defaultTags": DEFAULT_TAGS, **more}


@pytest.fixture
def credentials(endpoint: tuple[str, dict[str, str]]) -> dict[str, str]:
    url, key = endpoint
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": key["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": key["secret_access_key"],
    }


@pytest.fixture
def engine(credentials: dict[str, str], tmp_path: Path) -> Iterator[RealEngine]:
    with RealEngine("aws", tmp_path, credentials) as engine:
        engine.greet()
        engine.configure("default_7_51_1", **arguments())
        yield engine


def test_it_starts_and_ends_as_the_engine_wants(
    credentials: dict[str, str], tmp_path: Path
) -> None:
    with RealEngine("aws", tmp_path, credentials) as engine:
        assert engine.port_line.strip().isdecimal()
        engine.greet()
        inputs = engine.configure("default_7_51_1", **arguments())
        assert inputs["region"] == "us-east-1"
        assert engine.close() == 0
        assert engine.process.stdout.read() == "", "only the port may be printed"


def test_a_provider_that_is_in_the_state_already(
    credentials: dict[str, str], tmp_path: Path
) -> None:
    with RealEngine("aws", tmp_path, credentials) as engine:
        engine.greet()
        olds = engine.configure("default_7_51_1", **arguments())
    with RealEngine("aws", tmp_path, credentials) as engine:
        engine.greet()
        assert engine.configure("default_7_51_1", olds, **arguments()) == olds


def test_from_creation_to_deletion(engine: RealEngine) -> None:
    news: Properties = {"forceDestroy": True, "tags": {"a": "1"}}
    planned = engine.preview(BUCKET, "logs", news)
    assert planned["arn"] is UNKNOWN or str(planned["arn"]).startswith("arn:aws:s3:::logs-")
    bucket = engine.create(BUCKET, "logs", news)
    assert bucket.id == bucket.outputs["bucket"]
    assert bucket.outputs["tagsAll"] == {"a": "1", "kit": "aerodrome"}

    again = engine.diff(bucket, news)
    assert again.changes == provider_pb2.DiffResponse.DIFF_NONE

    engine.update(bucket, {**news, "tags": {"a": "2"}})
    assert bucket.outputs["tagsAll"] == {"a": "2", "kit": "aerodrome"}
    other = engine.diff(bucket, {**news, "tags": {"a": "2"}, "bucket": "another-name"})
    assert list(other.replaces) == ["bucket"]

    found = engine.read(bucket)
    assert found is not None
    assert reveal(found.outputs) == bucket.outputs
    assert found.inputs == bucket.inputs
    imported = engine.get(BUCKET, "logs", bucket.id)
    assert imported is not None
    assert imported.inputs["tags"] == {"a": "2", "kit": "aerodrome"}

    engine.delete(bucket)
    assert engine.read(bucket) is None


def test_the_same_seed_makes_the_same_name_and_olds_keep_it(engine: RealEngine) -> None:
    first = engine.check(BUCKET, "logs", {})
    assert engine.check(BUCKET, "logs", {}) == first
    assert engine.check(BUCKET, "logs", {}, {"bucket": "logs-1234567"})["bucket"] == "logs-1234567"


def test_a_dependent_is_previewed_with_what_is_unknown(engine: RealEngine) -> None:
    planned = engine.preview("aws:ec2/subnet:Subnet", "a", {"vpcId": UNKNOWN, "cidrBlock": UNKNOWN})
    assert planned["vpcId"] is UNKNOWN
    assert planned["arn"] is UNKNOWN


def test_delete_before_replace_asks_dependents_with_an_unknown_input(engine: RealEngine) -> None:
    user = engine.create(USER, "ann", {"name": "ann-of-the-conformance-test"})
    key = engine.create(KEY, "ann", {"user": user.id})
    answer = engine.diff_checked(key, {**key.inputs, "user": UNKNOWN})
    assert list(answer.replaces) == ["user"]
    engine.delete(key)
    engine.delete(user)


def test_secrets_stay_secret(engine: RealEngine) -> None:
    news: Properties = {"name": Secret("hidden-group"), "retentionInDays": 7}
    assert engine.check(GROUP, "hidden", news)["name"] == Secret("hidden-group")
    group = engine.create(GROUP, "hidden", news)
    assert group.outputs["name"] == Secret("hidden-group")
    found = engine.read(group)
    assert found is not None
    assert found.outputs["name"] == Secret("hidden-group")
    engine.delete(group)


def test_functions(engine: RealEngine) -> None:
    for preview in (True, False):
        found = engine.invoke("aws:index/getPartition:getPartition", {}, preview=preview)
        assert found["partition"] == "aws"


def test_engine_ids_stay_out_of_a_provider_that_is_made_in_a_preview(
    credentials: dict[str, str], tmp_path: Path
) -> None:
    with RealEngine("aws", tmp_path, credentials) as engine:
        engine.greet()
        engine.configure("named", creating_in_preview=True, **arguments())
        assert engine.preview(BUCKET, "logs", {})["arn"] is not None
