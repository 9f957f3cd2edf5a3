"""The kit's own program under the embedded engine and under Pulumi's, on one sandbox.

Not a part of what CI proves: it runs where somebody has the Pulumi CLI, and takes some ten
minutes, and five more for a branch. Each engine makes the whole stack, the other finds nothing to
change and takes it away; then both states are compared.
"""

import json
import os
import shutil
from collections.abc import Iterator

import pytest

from tests.comparison.states import Resources, comparable, differences
from tests.end_to_end.kit import Kit, own_kit

UP_SECONDS = 900

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.timeout(4 * UP_SECONDS),
    pytest.mark.skipif(
        shutil.which("pulumi") is None,
        reason="no `pulumi` on the PATH: there is no real engine to compare with",
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="a sandbox needs root"),
]


@pytest.fixture(scope="module")
def kit() -> Iterator[Kit]:
    with own_kit("cmp") as kit:
        yield kit


@pytest.fixture(scope="module")
def ours(kit: Kit) -> Resources:
    """The state as the embedded engine leaves it, and the sandbox empty again."""
    return _made_by(kit, "embedded", "pulumi")


@pytest.fixture(scope="module")
def theirs(kit: Kit, ours: Resources) -> Resources:
    """The state as Pulumi's engine leaves it."""
    return _made_by(kit, "pulumi", "embedded")


@pytest.fixture(scope="module")
def branch(kit: Kit, theirs: Resources) -> Kit:
    """A git branch's checkout, and its base."""
    kit.json("up", "--no-proof", seconds=UP_SECONDS)
    return kit.branch("feature/compared")


def _made_by(kit: Kit, maker: str, other: str) -> Resources:
    up = kit.json("up", "--engine", maker, "--no-proof", seconds=UP_SECONDS)
    checkpoint = kit.checkpoint.with_name(f"{up['environment']}.json")
    found = comparable(json.loads(checkpoint.read_text())["checkpoint"]["latest"])
    planned = kit.json("preview", "--engine", other, seconds=UP_SECONDS)
    assert not planned["changed"], planned["changes"]
    gone = kit.json("down", "--engine", other, "--keep-sandbox", seconds=UP_SECONDS)
    assert gone["inventory"] == []
    assert not checkpoint.exists(), "a stack that holds nothing goes away"
    return found


def test_both_know_the_same_resources(ours: Resources, theirs: Resources) -> None:
    assert sorted(ours) == sorted(theirs)
    assert len(ours) > 100


def test_they_say_the_same_of_each(ours: Resources, theirs: Resources) -> None:
    found = differences(ours, theirs)
    assert not found, "\n".join(found)


def test_so_they_do_of_a_branch(branch: Kit) -> None:
    ours = _made_by(branch, "embedded", "pulumi")
    theirs = _made_by(branch, "pulumi", "embedded")
    assert len(ours) > 15
    found = differences(ours, theirs)
    assert not found, "\n".join(found)
