"""The setting `taskPolicies`: ARNs and statements, and every other value refused with its reason."""

import json
from typing import Any

import pytest

from infra.contract import task_policies

READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/*"}
MANAGED = "arn:aws:iam::aws:policy/AmazonAthenaFullAccess"
OWN = "arn:aws:iam::123456789012:policy/teams/lake-reader"


def test_arns_and_statements_may_stand_side_by_side() -> None:
    found = task_policies.parse(json.dumps([MANAGED, READ, OWN]))
    assert found.arns == (MANAGED, OWN)
    assert found.statements == (READ,)


@pytest.mark.parametrize("text", ["[]", json.dumps([READ]), json.dumps([MANAGED])])
def test_good_values_pass(text: str) -> None:
    assert task_policies.check(text) is None


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("{", "must be a JSON list"),
        ("", "must be a JSON list"),
        ({"Statement": [READ]}, "a JSON list of ARNs and statements"),
        (["AmazonS3FullAccess"], "'AmazonS3FullAccess'"),
        (["arn:aws:iam::123456789012:role/admin"], "role/admin"),
        ([f"{OWN}{number}" for number in range(11)], "10 ARNs at most"),
        ([7], "element 1 is 7"),
        ([READ, {**READ, "Principal": "*"}], "element 2 has Principal"),
        ([{**READ, "Effect": "allow"}], '"Effect": "Allow" or "Deny"'),
        ([{"Effect": "Allow", "Action": "s3:GetObject"}], "Resource or NotResource"),
        ([{"Effect": "Allow", "Resource": "*"}], "Action or NotAction"),
        ([{**READ, "Action": []}], "in Action"),
        ([{**READ, "Resource": [1]}], "in Resource"),
    ],
)
def test_what_is_wrong_is_named(value: Any, named: str) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    problem = task_policies.check(text)
    assert problem is not None
    assert problem.startswith("must ")
    assert named in problem
