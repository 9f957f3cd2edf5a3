"""What becomes of the steps of an interrupted run."""

from collections.abc import Mapping
from typing import Any

import pytest

from cli.base.errors import UserError
from cli.stack.events import Failed, Message, Step
from cli.stack.pending import (
    INTERRUPTED,
    RELEASE,
    Look,
    Made,
    Pending,
    Repeatable,
    lost,
    operations,
    settle,
)

STACK = "urn:pulumi:dev::aerodrome::"
SUBNET = "aws:ec2/subnet:Subnet"


def resource(name: str, type_: str = SUBNET, **more: Any) -> dict[str, Any]:
    return {"urn": f"{STACK}{type_}::{name}", "type": type_, "custom": True, **more}


def state(resources: list[Any], *pending: tuple[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "manifest": {"time": "2026-01-02T03:04:05.123456789Z"},
        "resources": resources,
        "pending_operations": [{"type": kind, "resource": item} for kind, item in pending],
    }


def finds(found: Made | Repeatable | None) -> Look:
    return lambda item, known: found


def asks_nobody(item: Pending, known: frozenset[str]) -> None:
    raise AssertionError(f"{item.urn} needs no look")


def test_a_creation_that_is_there_is_taken_and_read_before_anything_else() -> None:
    vpc = resource("net", "aws:ec2/vpc:Vpc", id="vpc-1")
    begun = resource("a", inputs={"cidrBlock": "10.0.0.0/24"}, dependencies=[vpc["urn"]])
    settled = settle(state([vpc], ("creating", begun)), finds(Made("subnet-1")))
    assert settled.deployment["resources"] == [
        vpc,
        {**begun, "id": "subnet-1", "outputs": {}, "refreshBeforeUpdate": True},
    ]
    assert "pending_operations" not in settled.deployment
    assert settled.lines() == [
        f"{SUBNET} a: an interrupted run has created it; imported into the state"
    ]


def test_a_creation_that_made_nothing_is_forgotten() -> None:
    settled = settle(state([], ("creating", resource("a"))), finds(Repeatable()))
    assert settled.deployment["resources"] == []
    assert settled.lines() == [f"{SUBNET} a: an interrupted run did not create it"]


def test_nothing_is_decided_about_an_unknown_kind() -> None:
    with pytest.raises(UserError, match="cannot be found out") as refused:
        settle(state([], ("creating", resource("a"))), finds(None))
    assert f"{STACK}{SUBNET}::a" in refused.value.detail


def test_a_look_is_given_the_ids_of_its_type_only() -> None:
    seen: list[frozenset[str]] = []

    def look(item: Pending, known: frozenset[str]) -> Repeatable:
        seen.append(known)
        return Repeatable()

    others = [
        resource("a", id="subnet-1"),
        resource("b", id="subnet-2", pendingReplacement=True),
        resource("r", "aws:iam/role:Role", id="r"),
    ]
    settle(state(others, ("creating", resource("c"))), look)
    assert seen == [frozenset({"subnet-1"})]


def test_what_replaces_another_stands_before_it_and_the_old_one_is_deleted() -> None:
    vpc = resource("net", "aws:ec2/vpc:Vpc", id="vpc-1")
    old = resource("a", id="subnet-1")
    user = resource("web", "aws:ec2/securityGroup:SecurityGroup", dependencies=[old["urn"]])
    begun = resource("a", dependencies=[vpc["urn"], user["urn"]])
    settled = settle(state([vpc, old, user], ("creating", begun)), finds(Made("subnet-2")))
    ids = [(item.get("id"), item.get("delete", False)) for item in settled.deployment["resources"]]
    assert ids == [("vpc-1", False), ("subnet-2", False), ("subnet-1", True), (None, False)]
    # It may depend only on what stands before it.
    assert settled.deployment["resources"][1]["dependencies"] == [vpc["urn"]]


def test_what_takes_the_place_of_a_deleted_one_takes_its_place_in_the_state() -> None:
    old = resource("r", "aws:iam/role:Role", id="r", pendingReplacement=True)
    begun = resource("r", "aws:iam/role:Role")
    settled = settle(state([old], ("creating", begun)), finds(Made("r")))
    assert [item.get("pendingReplacement") for item in settled.deployment["resources"]] == [None]
    assert len(settled.taken) == 1


def test_finding_the_one_that_was_to_be_replaced_is_finding_nothing() -> None:
    old = resource("r", "aws:iam/role:Role", id="r")
    begun = resource("r", "aws:iam/role:Role")
    settled = settle(state([old], ("creating", begun)), finds(Made("r")))
    assert settled.deployment["resources"] == [old]
    assert len(settled.repeated) == 1


@pytest.mark.parametrize("operation", ["updating", "deleting"])
def test_what_was_being_changed_is_read(operation: str) -> None:
    known = resource("a", id="subnet-1")
    settled = settle(state([known], (operation, known)), asks_nobody)
    assert settled.deployment["resources"] == [{**known, "refreshBeforeUpdate": True}]
    assert settled.lines() == [f"{SUBNET} a: an interrupted run was {operation} it"]


def test_what_waits_for_its_deletion_is_left_to_it() -> None:
    gone = resource("a", id="subnet-1", delete=True)
    settled = settle(state([gone], ("deleting", gone)), asks_nobody)
    assert settled.deployment["resources"] == [gone]


@pytest.mark.parametrize("operation", ["reading", "importing"])
def test_what_was_there_before_is_asked_for_again(operation: str) -> None:
    settled = settle(state([], (operation, resource("a", id="subnet-1"))), asks_nobody)
    assert settled.deployment["resources"] == []


@pytest.mark.parametrize("operation", ["updating", "deleting"])
def test_a_release_that_is_there_is_upgraded_whatever_its_state_says(operation: str) -> None:
    known = resource("demo", RELEASE, id="ns/demo", outputs={"name": "demo"})
    settled = settle(state([known], (operation, known)), finds(Made("ns/demo", unfinished=True)))
    assert settled.deployment["resources"] == [{**known, "initErrors": [INTERRUPTED]}]


def test_a_release_that_is_gone_is_read() -> None:
    known = resource("demo", RELEASE, id="ns/demo")
    settled = settle(state([known], ("deleting", known)), finds(Repeatable()))
    assert settled.deployment["resources"] == [{**known, "refreshBeforeUpdate": True}]


def failed(op: str, item: Mapping[str, Any]) -> Failed:
    return Failed(Step(op, str(item["urn"]), str(item["type"])), item)


def died(item: Mapping[str, Any]) -> Message:
    return Message("error", "error: error reading from server: EOF", str(item["urn"]))


def test_what_a_dead_plugin_had_begun_is_unfinished() -> None:
    vpc = resource("net", "aws:ec2/vpc:Vpc", id="vpc-1")
    provider = resource("p", "pulumi:providers:aws", id="1")
    begun = resource("a", id="", inputs={"cidrBlock": "10.0.0.0/24", "key": "[secret]"})
    refused = resource("b")
    refusal = Message("error", "error: SubnetConflict", str(refused["urn"]))
    deployment = lost(
        state([provider, vpc]),
        [failed("create", begun), failed("create", refused), failed("delete", vpc)],
        [died(begun), refusal, died(vpc)],
    )
    assert deployment is not None
    creation, deletion = operations(deployment)
    assert (creation.operation, deletion.operation) == ("creating", "deleting")
    assert creation.inputs == {"cidrBlock": "10.0.0.0/24"}
    assert creation.state["dependencies"] == [vpc["urn"]]
    assert "id" not in creation.state
    assert deletion.urn == vpc["urn"]


def test_nothing_is_lost_when_a_provider_only_refuses() -> None:
    refused = resource("b")
    refusal = Message("error", "error: SubnetConflict", str(refused["urn"]))
    assert lost(state([]), [failed("create", refused)], [refusal]) is None
