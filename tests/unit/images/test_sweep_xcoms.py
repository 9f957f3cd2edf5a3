"""Which objects the sweep of large XComs deletes: those of runs that are gone, and no others."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.images.loading import script

script("wait_for_schema")
sweep = script("sweep_xcoms")


class FakeS3:
    """A bucket as a set of keys, with the two calls that the sweep makes."""

    def __init__(self, *keys: str) -> None:
        self.keys = set(keys)
        self.refused: list[dict[str, str]] = []

    def get_paginator(self, _: str) -> "FakeS3":
        return self

    def paginate(self, *, Prefix: str, Delimiter: str = "", **_: Any) -> Iterator[dict[str, Any]]:
        found = sorted(key for key in self.keys if key.startswith(Prefix))
        if Delimiter:
            below = {key[len(Prefix) :].partition("/")[0] for key in found}
            yield {"CommonPrefixes": [{"Prefix": f"{Prefix}{name}/"} for name in sorted(below)]}
        else:
            yield {"Contents": [{"Key": key} for key in found]}

    def delete_objects(self, *, Delete: dict[str, Any], **_: Any) -> dict[str, Any]:
        if not self.refused:
            self.keys -= {item["Key"] for item in Delete["Objects"]}
        return {"Errors": self.refused}


KEPT = "branches/x/xcom/daily/manual__2/make/a.json.gz"
GONE = "branches/x/xcom/daily/manual__1/make/b.json.gz"
FOREIGN = "branches/x/dag_id=daily/run_id=manual__1/log"
PREFIX = "branches/x/xcom/"


def runs(dag: str) -> set[str]:
    return {"manual__2"} if dag == "daily" else set()


def test_the_address_says_bucket_and_folder() -> None:
    assert sweep.bucket_and_prefix("s3://aws_default@logs/branches/x/xcom") == ("logs", PREFIX)
    assert sweep.bucket_and_prefix("s3://logs/xcom/") == ("logs", "xcom/")


def test_only_what_belongs_to_a_run_that_is_gone_is_found() -> None:
    s3 = FakeS3(KEPT, GONE, FOREIGN)
    assert list(sweep.orphans(s3, "logs", PREFIX, runs)) == [f"{PREFIX}daily/manual__1/"]


def test_of_a_dag_that_is_gone_all_is_found() -> None:
    s3 = FakeS3(f"{PREFIX}former/manual__9/make/c")
    assert list(sweep.orphans(s3, "logs", PREFIX, runs)) == [f"{PREFIX}former/manual__9/"]


def test_the_runs_are_asked_for_after_the_bucket() -> None:
    # Else a run that begins in between would lose what it has just written.
    s3 = FakeS3(GONE)

    def late(_: str) -> set[str]:
        s3.keys.add(f"{PREFIX}daily/new/make/d")
        return set()

    assert list(sweep.orphans(s3, "logs", PREFIX, late)) == [f"{PREFIX}daily/manual__1/"]


def test_what_was_found_is_deleted() -> None:
    s3 = FakeS3(KEPT, GONE, FOREIGN)
    assert sweep.empty(s3, "logs", f"{PREFIX}daily/manual__1/") == 1
    assert s3.keys == {KEPT, FOREIGN}


def test_a_refusal_is_told() -> None:
    s3 = FakeS3(GONE)
    s3.refused = [{"Key": GONE, "Code": "AccessDenied", "Message": "no"}]
    with pytest.raises(SystemExit, match=r"1 objects .* stay, .*AccessDenied: no"):
        sweep.empty(s3, "logs", PREFIX)
