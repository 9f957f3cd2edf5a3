"""A rotation of Rancher's access key with real IAM of the emulator: a key that works is there at any moment, the old one goes
when Rancher has the new one, and whoever is killed at any step is followed by somebody who ends it."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli.base.errors import KitError, UserError
from cli.operations.live import Live
from cli.operations.rotation import applicable, rancher
from cli.operations.rotation.applicable import ACCESS_KEY
from cli.operations.rotation.rancher_installation import USER as USER_TYPE
from cli.operations.rotation.rancher_installation import KeyInstallation
from cli.stack import rotation
from cli.stack.backends import Found
from cli.stack.rotation import Rotation
from infra.contract import rancher_keys
from infra.contract.naming import Names
from infra.contract.rancher_keys import RancherKeys
from tests.unit.cli.operations.rotation.on_disk import OnDisk, in_a_process
from tests.unit.sandbox.aws.conftest import Emulator, new_emulator

USER = "rancher"
STEPS = [
    "require_ready",
    "under_way",
    "begin",
    *("configure", "deploy", "applied", "handed_over"),
    *("configure", "deploy", "applied"),
    *("configure", "deploy", "applied", "end"),
]
"""`applied`: in the midst of a deployment, when IAM has changed and the stack does not know it yet."""


@dataclass
class Stack(OnDisk):
    """A stack whose deployments do with IAM what the program's resources do."""

    aws: Any = None
    used: bool = True
    """Whether Rancher uses the new key, once it is there."""

    @property
    def iam(self) -> Any:
        return self.aws.client("iam")

    def require_ready(self) -> None:
        self.called("require_ready")

    def configured(self) -> RancherKeys:
        return RancherKeys.parse(self.state()["keys"])

    def deployed(self) -> Mapping[int, str]:
        return {int(number): key for number, key in self.state()["deployed"].items()}

    def configure(self, keys: RancherKeys) -> None:
        self.called("configure")
        self.write(keys=keys.text())

    def deploy(self, number: int) -> None:
        self.called("deploy")
        wanted, known = self.configured(), dict(self.deployed())
        assert any(self.there().values()), "Rancher has no key that works"
        numbers = [one for one in (wanted.current, wanted.former) if one]
        # As a run that was interrupted is settled: nobody has the secret of a key that the stack does not know.
        for key in set(self.there()) - set(known.values()):
            self.iam.delete_access_key(UserName=USER, AccessKeyId=key)
        for each in numbers:
            if each not in known:
                made = self.iam.create_access_key(UserName=USER)["AccessKey"]
                known[each] = made["AccessKeyId"]
        if wanted.former:
            status = "Active" if wanted.former_works else "Inactive"
            key = known[wanted.former]
            self.iam.update_access_key(UserName=USER, AccessKeyId=key, Status=status)
        for each in set(known) - set(numbers):
            key = known.pop(each)
            if key in self.there():
                self.iam.delete_access_key(UserName=USER, AccessKeyId=key)
        self.called("applied")
        self.write(deployed=known)
        assert any(self.there().values()), "Rancher has no key that works"

    def there(self) -> Mapping[str, bool]:
        keys = self.iam.list_access_keys(UserName=USER)["AccessKeyMetadata"]
        return {one["AccessKeyId"]: one["Status"] == "Active" for one in keys}

    def handed_over(self, key: str) -> bool:
        self.called("handed_over")
        assert self.there()[key]
        return self.used


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = new_emulator(tmp_path_factory.mktemp("aws"))
    running.client("iam").create_user(UserName=USER)
    yield running
    running.kill()
    running.kubernetes.server.shutdown()


@pytest.fixture
def fresh(aws: Emulator, tmp_path: Path) -> Callable[..., Stack]:
    """A new stack with one key; or, with `again`, another run on the same."""

    def make(*, again: bool = False, **more: Any) -> Stack:
        file = tmp_path / "state.json"
        it = Stack(file, aws=aws, **more)
        if not again:
            for key in it.there():
                it.iam.delete_access_key(UserName=USER, AccessKeyId=key)
            key = it.iam.create_access_key(UserName=USER)["AccessKey"]["AccessKeyId"]
            file.write_text(json.dumps({"keys": "1", "deployed": {"1": key}, "record": None}))
        return it

    return make


def ended(stack: Stack, old: str) -> None:
    """The new key alone is there, and works."""
    keys = stack.there()
    assert list(keys.values()) == [True]
    assert old not in keys
    assert stack.state()["keys"] == "2"
    assert stack.state()["record"] is None


def test_from_one_key_to_the_next_and_the_next(fresh: Callable[..., Stack]) -> None:
    stack = fresh()
    old = stack.deployed()[1]
    done = rancher.rotate(stack, print)
    assert stack.calls == STEPS
    ended(stack, old)
    assert stack.there() == {done.key: True}
    again = rancher.rotate(fresh(again=True), print)
    assert stack.state()["keys"] == "3"
    assert again.key != done.key


@pytest.mark.parametrize("step", range(1, len(STEPS) + 1))
def test_whoever_is_killed_is_followed(fresh: Callable[..., Stack], step: int) -> None:
    stack = fresh(kill_at=step)
    old = stack.deployed()[1]
    assert in_a_process(lambda: rancher.rotate(stack, print)) == -9
    assert any(stack.there().values())
    rancher.rotate(fresh(again=True), print)
    ended(stack, old)


def test_the_old_key_works_until_rancher_has_the_new_one(fresh: Callable[..., Stack]) -> None:
    stack = fresh(used=False)
    old = stack.deployed()[1]
    for attempt in (stack, fresh(again=True, used=False)):
        with pytest.raises(KitError, match="has not used its new access key") as failure:
            rancher.rotate(attempt, print)
        new = stack.deployed()[2]
        assert stack.there() == {old: True, new: True}
        assert new in failure.value.summary
        assert failure.value.command == "./aerodrome secrets rotate rancher --handed-over"
    done = rancher.rotate(fresh(again=True), print)
    assert (done.resumed, done.key) == (True, new)
    ended(stack, old)


class TestInstallation:
    """What the rotation asks of a stack and of AWS."""

    def live(self, aws: Emulator, keys: Mapping[str, str], **more: Any) -> Live:
        found = [Found(ACCESS_KEY, name, "u", key, "") for name, key in keys.items()]
        found.append(Found(USER_TYPE, "aerodrome-dev-rancher", "u", USER, ""))
        found.append(Found(USER_TYPE, "aerodrome-dev-operator", "u", "operator", ""))
        backend = SimpleNamespace(resources=lambda: found, plain=lambda: more)
        names = Names("dev")
        it = SimpleNamespace(backend=backend, client=aws.client, names=names, shared=False)
        return cast(Live, it)

    def installation(self, live: Live, *, said: bool = False) -> KeyInstallation:
        return KeyInstallation(live, cast(Any, None), cast(Any, None), said)

    def test_keys_are_known_by_their_number(self, aws: Emulator) -> None:
        keys = {"aerodrome-dev-rancher": "A", "aerodrome-dev-rancher-12": "B", "mine-3": "C"}
        found = self.installation(self.live(aws, keys))
        assert found.deployed() == {1: "A", 12: "B"}
        assert found.configured() == RancherKeys(1)

    def test_aws_is_asked_for_ranchers_user(
        self, aws: Emulator, fresh: Callable[..., Stack]
    ) -> None:
        stack = fresh()
        key = stack.deployed()[1]
        live = self.live(aws, {"aerodrome-dev-rancher": key})
        assert self.installation(live).there() == {key: True}
        stack.iam.update_access_key(UserName=USER, AccessKeyId=key, Status="Inactive")
        assert self.installation(live).there() == {key: False}

    def test_rancher_has_a_key_when_it_was_used_or_somebody_says_so(
        self, aws: Emulator, fresh: Callable[..., Stack]
    ) -> None:
        key = fresh().deployed()[1]
        live = self.live(aws, {"aerodrome-dev-rancher": key})
        assert not self.installation(live).handed_over(key)
        assert self.installation(live, said=True).handed_over(key)

    def test_without_a_rancher_there_is_nothing_to_replace(self, aws: Emulator) -> None:
        assert "no Rancher" in applicable.hindrance(self.live(aws, {}), rotation.RANCHER)


class TestRefused:
    """Nothing is changed."""

    def refused(self, stack: Stack, words: str) -> None:
        before, keys = stack.state(), stack.there()
        with pytest.raises(UserError, match=words):
            rancher.rotate(stack, print)
        assert (stack.state(), stack.there()) == (before, keys)

    def test_a_second_key_that_somebody_made(self, fresh: Callable[..., Stack]) -> None:
        stack = fresh()
        key = stack.iam.create_access_key(UserName=USER)["AccessKey"]["AccessKeyId"]
        self.refused(stack, "no room for another access key")
        stack.iam.delete_access_key(UserName=USER, AccessKeyId=key)

    @pytest.mark.parametrize("keys", ["2", "2+1", "3-2"])
    def test_a_configuration_that_is_not_what_is_deployed(
        self, fresh: Callable[..., Stack], keys: str
    ) -> None:
        stack = fresh()
        stack.write(keys=keys)
        self.refused(stack, "is not the deployed one alone")

    def test_keys_that_are_none_of_its_steps(self, fresh: Callable[..., Stack]) -> None:
        stack = fresh()
        stack.write(keys="7", record=asdict(Rotation.begin("1", "2")))
        self.refused(stack, "was changed while its rotation was under way")


def test_a_record_of_another_day_that_has_ended_is_none(fresh: Callable[..., Stack]) -> None:
    stack = fresh()
    rancher.rotate(stack, print)
    stack.write(record=asdict(Rotation.begin("1", "2")))
    stack.age_record(2)
    rancher.rotate(fresh(again=True), print)
    assert stack.state()["keys"] == "3"


@pytest.mark.parametrize("text", ["", "0", "1+1", "1-", "+1", "1+2+3", "01", "x", "-1"])
def test_what_is_no_value_of_the_setting_is_refused(text: str) -> None:
    assert rancher_keys.check(text)


@pytest.mark.parametrize("text", ["1", "2+1", "2-1", "12+11"])
def test_a_value_is_read_as_it_is_written(text: str) -> None:
    assert rancher_keys.check(text) is None
    assert RancherKeys.parse(text).text() == text
