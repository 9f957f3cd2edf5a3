"""What is listed while its controller takes it away."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.base.errors import CloudError
from cli.cloud.catalogue import find
from cli.cloud.resource import Search
from infra.contract.naming import TAG_ENVIRONMENT


@dataclass
class Balancers:
    """elbv2: what it lists first, and what is there when tags are asked for."""

    listed: list[str]
    there: list[str]
    code: str = "LoadBalancerNotFound"
    asked: list[list[str]] = field(default_factory=list)

    def can_paginate(self, operation: str) -> bool:
        return False

    def describe_load_balancers(self) -> dict[str, Any]:
        return {"LoadBalancers": [{"LoadBalancerArn": arn} for arn in self.listed]}

    def describe_target_groups(self) -> dict[str, Any]:
        return {"TargetGroups": []}

    def describe_tags(self, ResourceArns: list[str]) -> dict[str, Any]:
        self.asked.append(list(ResourceArns))
        if set(ResourceArns) - set(self.there):
            raise ClientError({"Error": {"Code": self.code}}, "DescribeTags")
        tags = [{"Key": TAG_ENVIRONMENT, "Value": "dev"}]
        return {"TagDescriptions": [{"ResourceArn": arn, "Tags": tags} for arn in ResourceArns]}


class NoClassic:
    """elb: nothing."""

    def can_paginate(self, operation: str) -> bool:
        return False

    def describe_load_balancers(self) -> dict[str, Any]:
        return {"LoadBalancerDescriptions": []}


def _found(balancers: Balancers) -> list[str]:
    clients = {"elbv2": balancers, "elb": NoClassic()}
    return [item.id for item in find(Search(clients.__getitem__, "dev"), ["elasticloadbalancing"])]


def test_one_that_went_after_it_was_listed_hides_no_other() -> None:
    balancers = Balancers(["a", "b", "c"], ["a", "c"])
    assert _found(balancers) == ["a", "c"]


def test_all_are_asked_for_at_once_while_none_goes() -> None:
    balancers = Balancers(["a", "b"], ["a", "b"])
    assert _found(balancers) == ["a", "b"]
    assert balancers.asked == [["a", "b"]]


def test_a_refusal_is_not_taken_for_gone() -> None:
    with pytest.raises(CloudError, match="AccessDenied"):
        _found(Balancers(["a"], [], code="AccessDenied"))
