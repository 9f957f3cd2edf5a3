"""A rotation of the tokens' key: what any pod of the moment signs, every api-server accepts, and whoever is killed at any
step is followed by somebody who ends it. That Airflow signs and accepts so is in tests/unit/images/test_token_keys.py.
"""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from cli.base.errors import KitError, UserError
from cli.operations.rotation import tokens
from cli.operations.rotation.tokens import Keys
from cli.stack.rotation import Rotation
from tests.unit.cli.operations.rotation.on_disk import OnDisk, in_a_process

OLD = "the-first-key-of-32-characters-or-more"
STEPS = [
    "require_ready",
    "under_way",
    "begin",
    "configure",
    "deploy",
    "configure",
    "deploy",
    "drain",
    "configure",
    "deploy",
    "prove",
    "end",
]


class Signed(OnDisk):
    """Pods are keys, and tasks are the keys that have signed their tokens."""

    def _keys(self, which: str) -> Keys:
        signing, accepted = self.state()[which]
        return Keys(signing, tuple(accepted))

    def configured(self) -> Keys:
        return self._keys("configured")

    def deployed(self) -> Keys:
        return self._keys("deployed")

    def require_ready(self) -> None:
        self.called("require_ready")

    def configure(self, keys: Keys) -> None:
        self.called("configure")
        now = self.configured()
        changed = (keys.signing != now.signing) + (keys.accepted != now.accepted)
        assert changed == 1, "two values cannot be written at once"
        self.write(configured=[keys.signing, keys.accepted])

    def deploy(self, number: int) -> None:
        self.called("deploy")
        # In a rollout there are pods of before and pods of now: each signs, each is asked.
        pods = (self.deployed(), self.configured())
        held = {*self.state()["tasks"], *(keys.signing for keys in pods)}
        for keys in pods:
            assert held <= set(keys.accepted or (keys.signing,)), f"a task fails in step {number}"
        now = self.configured()
        self.write(tasks=sorted(held), deployed=[now.signing, now.accepted])

    def drain(self) -> int:
        self.called("drain")
        left = [key for key in self.state()["tasks"] if key == self.deployed().signing]
        count = len(self.state()["tasks"]) - len(left)
        self.write(tasks=left)
        return count

    def prove(self, old: str, new: str) -> None:
        self.called("prove")
        if self.deployed() != Keys(new):
            raise KitError("not proved")

    def make(self) -> str:
        return os.urandom(24).hex()


@pytest.fixture
def installation(tmp_path: Path) -> Signed:
    file = tmp_path / "state.json"
    file.write_text(json.dumps({"configured": [OLD, []], "deployed": [OLD, []], "tasks": [OLD]}))
    return Signed(file)


def rotated(installation: Signed) -> tokens.RotatedTokens:
    return tokens.rotate(installation, lambda _: None)


def test_the_new_key_alone_is_left(installation: Signed) -> None:
    done = rotated(installation)
    assert installation.calls == STEPS
    assert installation.configured() == installation.deployed() != Keys(OLD)
    assert installation.configured().accepted == ()
    assert installation.state()["record"] is None
    assert (done.resumed, done.waited_for) == (False, 1)


def test_killed_at_any_step_it_is_ended_by_the_next(installation: Signed) -> None:
    for step in range(1, len(STEPS) + 1):
        old = installation.configured()
        killed = Signed(installation.file, kill_at=step)
        assert in_a_process(lambda it=killed: rotated(it)) == -signal.SIGKILL, STEPS[step - 1]
        done = rotated(Signed(installation.file))
        assert installation.state()["record"] is None, STEPS[step - 1]
        assert installation.configured() == installation.deployed() != old
        assert done.resumed == (step > 3)


def test_no_key_is_shown(installation: Signed) -> None:
    rotation = Rotation.begin(OLD, "a-new-key-of-the-tokens-between-pods")
    shown = repr([rotation, tokens.stages_of(rotation)])
    assert OLD not in shown
    assert rotation.new not in shown


class TestRefused:
    """Before anything is changed."""

    @pytest.mark.parametrize(
        "deployed",
        [["another-key-than-the-configured-one", []], [OLD, [OLD, "one-that-a-rotation-has-made"]]],
    )
    def test_a_configuration_that_is_not_the_deployed_one(
        self, installation: Signed, deployed: list[Any]
    ) -> None:
        installation.write(deployed=deployed)
        before = installation.state()
        with pytest.raises(UserError, match="not the deployed ones"):
            rotated(installation)
        assert installation.state() == before

    def test_accepted_keys_that_no_rotation_has_set(self, installation: Signed) -> None:
        both = [OLD, [OLD, "one-that-somebody-has-set-by-hand"]]
        installation.write(configured=both, deployed=both)
        with pytest.raises(UserError, match="not the deployed ones alone"):
            rotated(installation)

    def test_a_key_that_somebody_has_set_meanwhile(self, installation: Signed) -> None:
        killed = Signed(installation.file, kill_at=6)
        assert in_a_process(lambda: rotated(killed)) == -signal.SIGKILL
        installation.write(configured=[installation.make(), []])
        before = installation.state()
        with pytest.raises(UserError, match="was changed while its rotation was under way"):
            rotated(installation)
        assert installation.state() == before


@pytest.mark.parametrize("days", [0, 90])
def test_a_record_that_came_back_with_an_old_configuration_is_no_rotation(
    installation: Signed, days: int
) -> None:
    killed = Signed(installation.file, kill_at=len(STEPS))
    assert in_a_process(lambda: rotated(killed)) == -signal.SIGKILL
    keys = installation.configured()
    installation.age_record(days)
    done = rotated(installation)
    assert done.resumed == (days == 0)
    assert (installation.configured() == keys) == (days == 0)
