"""The number of workers is asked for once; then it is the autoscaler's."""

from typing import Any

import pytest

from tests.program.recording import SECRETS, Registration, run_program

NAME = "aerodrome-test-workers"
THERE = {
    "clusterName": "aerodrome-test",
    "nodeGroupName": f"{NAME}-0123abc",
    "status": "ACTIVE",
    "scalingConfigs": [{"desiredSize": 4, "minSize": 1, "maxSize": 4}],
    "instanceTypes": ["m7i.large"],
    "capacityType": "ON_DEMAND",
    "diskSize": 50,
}


def workers(*groups: dict[str, Any], **config: str) -> Registration:
    """The group that is asked for beside these."""
    program = run_program({"environment": "test", **config}, SECRETS, node_groups=groups)
    return program.one("eks:index:ManagedNodeGroup")


def asked(*groups: dict[str, Any], **config: str) -> tuple[int, bool]:
    """The size, and whether a change of it is left to others."""
    inputs = workers(*groups, **config).inputs
    return inputs["scalingConfig"]["desiredSize"], inputs["ignoreScalingChanges"]


def test_a_new_group_starts_with_the_setting() -> None:
    assert asked() == (2, False)
    assert asked(nodeDesired="3") == (3, False)


def test_where_nothing_of_the_group_changes_its_size_is_nobodys_business_here() -> None:
    assert asked(THERE) == (4, True)
    assert asked(THERE, nodeDesired="1", kubernetesVersion="1.35", rancherEnabled="false")[1]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("nodeMax", "6"),
        ("nodeMin", "2"),
        ("nodeInstanceTypes", '["m7i.xlarge"]'),
        ("nodeDiskGb", "80"),
        ("spot", "true"),
    ],
)
def test_what_takes_the_size_along_takes_the_one_that_is(key: str, value: str) -> None:
    assert asked(THERE, **{key: value}) == (4, False)


def test_the_bounds_hold_whoever_scales() -> None:
    assert asked(THERE, nodeMax="3") == (3, False)
    assert asked(THERE, nodeMin="5", nodeDesired="5", nodeMax="6") == (5, False)


def test_while_one_group_takes_anothers_place_the_larger_counts() -> None:
    new = {
        **THERE,
        "nodeGroupName": f"{NAME}-fedcba9",
        "scalingConfigs": [{"desiredSize": 2, "minSize": 1, "maxSize": 4}],
    }
    assert asked(THERE, new) == (4, False)
    assert asked({**THERE, "status": "DELETING"}, new) == (2, True)


def test_groups_of_others_do_not_count() -> None:
    theirs = {**THERE, "nodeGroupName": f"{NAME}-extra"}
    assert asked(theirs) == (2, False)
