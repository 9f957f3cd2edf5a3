"""Leases in S3: conditional writes, and S3's own clock."""

import json
from dataclasses import asdict, replace

import pytest

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.lease import LeaseHolder, coming_up, held, holder
from cli.base.lease_stores import Store
from cli.cloud.lease_bucket import store_of
from infra.contract.naming import state_bucket
from tests.teardown.conftest import Cloud

REGION = "us-east-1"


@pytest.fixture
def store(cloud: Cloud) -> Store:
    account = cloud.client("sts").get_caller_identity()["Account"]
    cloud.client("s3").create_bucket(Bucket=state_bucket(account, REGION))
    found = store_of(cloud.client, cloud.ours, REGION)
    assert found is not None
    return found


def test_an_account_that_was_not_prepared_has_no_place_for_leases(cloud: Cloud) -> None:
    assert store_of(cloud.client, cloud.ours, "eu-west-9") is None


def test_a_lease_is_held_and_given_back(cloud: Cloud, store: Store) -> None:
    environment = Environment(cloud.ours)
    with held(environment, "up", print, store):
        known = holder(environment, store)
        assert known is not None
        assert known.doing == "up"
        with (
            pytest.raises(UserError, match="`up` is running"),
            held(environment, "down", print, store),
        ):
            pass
    assert store.read() is None


def test_who_comes_up_on_a_base_is_found(cloud: Cloud, store: Store) -> None:
    base = Environment(cloud.theirs)
    with held(Environment(cloud.ours), "up", print, store, cloud.theirs):
        for_base = store_of(cloud.client, base.name, REGION)
        assert [name for name, _ in coming_up(base, for_base)] == [cloud.ours]
    assert coming_up(base, for_base) == []


def test_a_dead_ones_is_taken_over(cloud: Cloud, store: Store) -> None:
    dead = replace(LeaseHolder.myself("down"), started="1")
    assert store.write(json.dumps(asdict(dead)), None)
    lines: list[str] = []
    with held(Environment(cloud.ours), "down", lines.append, store):
        pass
    assert "did not finish" in lines[0]


def test_of_two_that_write_one_wins(store: Store) -> None:
    assert store.write("one", None)
    assert not store.write("two", None)
    found = store.read()
    assert found is not None
    assert (found.text, found.age < 60) == ("one", True)
    assert store.write("three", found.version)
    assert not store.write("four", found.version)
    store.remove(found.version)
    left = store.read()
    assert left is not None
    store.remove(left.version)
    assert store.read() is None
