"""Queues and rules: what an inventory lists, what EventBridge does with events, and what is refused."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.unit.sandbox.aws.test_inventory import ENVIRONMENT, listed

SPOT = "EC2 Spot Instance Interruption Warning"
PATTERN = json.dumps({"source": ["aws.ec2"], "detail-type": [SPOT]})


@pytest.fixture
def queue(emulator):
    """A queue with a rule that fills it; its URL."""
    sqs, events = emulator.client("sqs"), emulator.client("events")
    url = sqs.create_queue(QueueName="interruptions", tags={ENVIRONMENT: "events"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    tags = [{"Key": ENVIRONMENT, "Value": "events"}]
    events.put_rule(Name="spot", EventPattern=PATTERN, Tags=tags)
    events.put_targets(Rule="spot", Targets=[{"Id": "queue", "Arn": arn["QueueArn"]}])
    yield url
    events.remove_targets(Rule="spot", Ids=["queue"])
    events.delete_rule(Name="spot")
    sqs.delete_queue(QueueUrl=url)


def test_an_inventory_has_both(emulator, queue):
    found = [arn.rpartition(":")[2] for arn in listed(emulator, "events")]
    assert sorted(found) == ["interruptions", "rule/spot"]


def refusal(call, **arguments):
    with pytest.raises(ClientError) as failure:
        call(**arguments)
    return failure.value.response["Error"]["Code"], str(failure.value)


def test_a_rule_with_targets_is_kept_as_on_aws(emulator, queue):
    code, said = refusal(emulator.client("events").delete_rule, Name="spot")
    assert code == "ValidationException"
    assert "since it has targets" in said


def test_what_no_inventory_would_list_is_refused_by_name(emulator):
    events = emulator.client("events")
    assert "CreateEventBus" in refusal(events.create_event_bus, Name="own")[1]
    assert "no bus own" in refusal(events.put_rule, Name="a", EventBusName="own")[1]


def test_both_are_there_after_a_kill(emulator, queue):
    emulator.kill()
    emulator.start()
    assert len(listed(emulator, "events")) == 2
    assert emulator.client("events").list_targets_by_rule(Rule="spot")["Targets"]
