"""A branch that is used every day changes one resource a day: the one that says so, and `sweep` reads."""

from collections.abc import Iterator
from datetime import date

import pytest

from cli.base.paths import ROOT
from cli.cloud.catalogue import find
from cli.cloud.resource import Search
from cli.operations.teardown.judging import EXPIRED, Evidence, judge
from infra.contract.naming import Names
from tests.promises.aws_cloud import REGION, AwsStack, running_emulator

NAMES = Names("dev-x", shared=True)

PROGRAM = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from infra.contract.settings import Settings
from infra.stack import Place, Stack, adapt_everything
settings = Settings(environment="dev-x", tenancy="shared", base="dev", expires=%r, used=%r)
stack = Stack(settings, None, Place("{REGION}", "aws", []))
adapt_everything(stack)
trust = {{"Version": "2012-10-17", "Statement": [
    {{"Effect": "Allow", "Principal": {{"Service": "ec2.amazonaws.com"}}, "Action": "sts:AssumeRole"}}]}}
aws.iam.Role(stack.names.role, path=stack.names.iam_path, assume_role_policy=json.dumps(trust))
aws.ec2.Vpc("net", cidr_block="10.50.0.0/16")
aws.cloudwatch.LogGroup("app", name="/daily/app", retention_in_days=14)
"""


@pytest.fixture
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsStack]:
    with running_emulator(tmp_path_factory.mktemp("emulator")) as emulator:
        yield AwsStack(tmp_path_factory.mktemp("stack"), emulator)


def test_one_resource_changes_and_sweep_goes_by_it(stack: AwsStack) -> None:

    stack.program(PROGRAM % ("2027-03-04", "2027-03-01"))
    assert stack.up().changes == {"create": 4}
    stack.program(PROGRAM % ("2027-03-06", "2027-03-03"))
    assert stack.preview().changes == {"update": 1, "same": 3}
    assert stack.up().changes == {"update": 1, "same": 3}
    assert stack.preview().changes == {"same": 4}

    found = list(find(Search(stack.emulator.client, "dev-x", REGION)))
    assert len(found) == 3
    for day, reason in ((date(2027, 3, 6), ""), (date(2027, 3, 7), EXPIRED)):
        (verdict,) = judge(found, Evidence(day))
        assert (verdict.environment, verdict.expires) == ("dev-x", "2027-03-06")
        assert verdict.reason == reason
