"""`aerodrome sweep` where everything stands side by side: on the emulator, with a real git remote."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from cli.base.environments import Environment
from cli.base.git import Checkout
from cli.stack.stack_config import BRANCH_KEY, EXPIRES_KEY
from infra.contract.naming import Names, branch_environment, tags
from tests.teardown import kit
from tests.unit.cli.repositories import VARIABLES, Repository
from tests.unit.sandbox.aws.conftest import Emulator, new_emulator

TODAY = date(2027, 3, 1)
PAST, LAST_DAY, FUTURE = "2027-02-28", "2027-03-01", "2027-03-04"
OTHERS = "github.com/other/dags"


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator of its own: a sweep looks at everything in the account."""
    running = new_emulator(tmp_path_factory.mktemp("aws"))
    yield running
    running.kill()
    running.kubernetes.server.shutdown()


@pytest.fixture
def clone(tmp_path: Path) -> Repository:
    """Of a remote with the branches `main` and `feature/alive`; `feature/gone` was deleted there."""
    work = Repository.made(tmp_path / "work")
    for branch in ("feature/alive", "feature/gone"):
        work.git("branch", branch)
    remote = Repository(tmp_path / "remote.git")
    work.git("clone", "--quiet", "--bare", str(work.folder), str(remote.folder))
    work.git("clone", "--quiet", str(remote.folder), str(tmp_path / "clone"))
    remote.git("branch", "--delete", "--force", "feature/gone")
    return Repository(tmp_path / "clone")


TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


class Session(kit.Sandboxed):
    """The sandbox's, with stacks and a checkout that the test chooses."""

    def __init__(self, root: Path, account: Emulator, clone: Repository) -> None:
        super().__init__(root, account.client)
        self.stacks = ["sandbox"]
        self.clone = clone

    def environments(self) -> list[Environment]:
        return [Environment(name) for name in self.stacks]

    def checkout(self) -> Any:
        return Checkout(self.clone.folder, VARIABLES)

    def today(self) -> date:
        return TODAY


@dataclass
class World:
    """What stands in the account, by name."""

    account: Emulator
    session: Session
    volumes: dict[str, list[str]] = field(default_factory=dict)

    def plant(
        self, name: str, expires: str = FUTURE, branch: str = "", *, repository: str | None = None
    ) -> str:
        """A disk of 100 GiB with these tags: 8.00 USD a month."""
        ours = self.session.checkout().repositories()[0]
        wanted = tags(
            name,
            branch,
            expires,
            "sandbox" if branch else "",
            repository=(ours if repository is None else repository) if branch else "",
        )
        self.disk(name, wanted)
        return name

    def branch(self, branch: str, expires: str = FUTURE) -> str:
        name = self.plant(branch_environment("sandbox", branch), expires, branch)
        self.session.stacks.append(name)
        return name

    def disk(self, name: str, wanted: dict[str, str]) -> None:
        pairs = [{"Key": key, "Value": value} for key, value in wanted.items()]
        made = self.account.client("ec2").create_volume(
            AvailabilityZone="us-east-1a",
            Size=100,
            VolumeType="gp3",
            TagSpecifications=[{"ResourceType": "volume", "Tags": pairs}],
        )
        self.volumes.setdefault(name, []).append(made["VolumeId"])

    def standing(self) -> set[str]:
        """The names whose disks are all there."""
        there = {
            item["VolumeId"] for item in self.account.client("ec2").describe_volumes()["Volumes"]
        }
        assert there <= {disk for disks in self.volumes.values() for disk in disks}
        return {name for name, disks in self.volumes.items() if there >= set(disks)}

    def run(self, *arguments: str) -> Result:
        self.session.console.json = False
        return CliRunner().invoke(app, list(arguments), obj=self.session)

    def found(self, *arguments: str) -> dict[str, dict[str, Any]]:
        done = self.run("sweep", "--json", *arguments)
        assert done.exit_code == 0, done.output
        return {one["environment"]: one for one in json.loads(done.stdout)["found"]}


@pytest.fixture
def world(
    account: Emulator, clone: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    monkeypatch.setenv("AERODROME_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "of the tests")
    made = World(account, Session(tmp_path, account, clone))
    yield made
    for name in made.standing():
        for disk in made.volumes[name]:
            account.client("ec2").delete_volume(VolumeId=disk)


def _deployed(world: World, name: str, **plain: str) -> None:
    """A stack that tells of a running Airflow."""
    world.account.client("s3").create_bucket(Bucket=f"state-of-{name}")
    backend = world.session.backend(Environment(name))
    outputs = {"tenancy": "shared", "base": "sandbox", "adminUser": "admin", "uiService": "ui"}
    backend.write(resources=[["s3", f"state-of-{name}"]], outputs=outputs, plain=plain)


def test_only_what_was_told_goes(world: World) -> None:
    world.plant("sandbox", "never")
    alive = world.branch("feature/alive")
    gone = world.branch("feature/gone")
    expired = world.branch("feature/old", PAST)
    last_day = world.branch("feature/alive-too", LAST_DAY)
    world.session.clone.git("branch", "feature/alive-too")
    extended = world.branch("main", PAST)
    world.plant(extended, FUTURE, "main")
    protected = world.branch("feature/protected", PAST)
    world.session.backend(Environment(protected)).write(plain={"aerodrome:protect": "true"})
    strange = world.plant("sandbox-strange", "when I say so")
    world.session.stacks.append(strange)
    theirs = world.plant("sandbox-theirs", FUTURE, "feature/theirs", repository=OTHERS)
    world.session.stacks.append(theirs)
    unknown = world.plant("sandbox-unknown", FUTURE)
    elsewhere = world.plant("prod", PAST)
    odd = world.plant("../../sandbox", PAST)
    world.disk("", {"aerodrome:branch": "lost"})
    everything = set(world.volumes)

    verdicts = {
        "sandbox": ("", ""),
        alive: ("", ""),
        gone: ("its branch is gone", ""),
        expired: ("expired", ""),
        last_day: ("", ""),
        extended: ("", ""),
        protected: ("", "expired, but it is protected"),
        strange: ("", "its expiry is no date"),
        theirs: ("", ""),
        unknown: ("no stack knows it", ""),
        elsewhere: ("it names no environment of this cloud", ""),
        odd: ("it names no environment of this cloud", ""),
        "": ("it names no environment of this cloud", ""),
    }
    told = world.found("--dry-run")
    assert {name: (one["reason"], one["spared"]) for name, one in told.items()} == verdicts
    disks = {name: len(world.volumes[name]) for name in told}
    assert {name: one["monthly"] for name, one in told.items()} == {
        name: 8.0 * count for name, count in disks.items()
    }
    assert told[extended]["expires"] == FUTURE

    shown = world.run("sweep", "--dry-run")
    assert shown.exit_code == 0
    going = [line for line in shown.stdout.splitlines() if line.endswith("would go")]
    assert sorted(line.split()[0] for line in going) == sorted([expired, gone])
    assert all("8.00 USD" in line for line in going)
    assert "4 of them stay because" in shown.stdout
    assert "    ./aerodrome sweep --base sandbox --unknown\n" in shown.stdout
    assert world.standing() == everything

    done = world.run("sweep", "--yes", "--json")
    assert done.exit_code == 0, done.output
    swept = {one["environment"]: one["outcome"] for one in json.loads(done.stdout)["swept"]}
    assert swept == {expired: "gone", gone: "gone"}
    assert world.standing() == everything - {expired, gone}

    # What is left is the same tomorrow night.
    again = world.run("sweep", "--yes", "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout)["swept"] == []
    assert world.standing() == everything - {expired, gone}

    rest = world.run("sweep", "--yes", "--unknown")
    assert rest.exit_code == 0, rest.output
    assert world.standing() == everything - {expired, gone, unknown, elsewhere, odd, ""}


def test_a_silent_remote_keeps_the_branches_that_it_may_have(world: World) -> None:
    gone, expired = world.branch("feature/gone"), world.branch("feature/old", PAST)
    world.session.clone.git("remote", "add", "silent", "file:///nowhere/at/all.git")
    done = world.run("sweep", "--yes", "--json")
    assert done.exit_code == 0
    assert (
        'the git remote "silent" does not list its branches, so none counts as deleted'
        in done.stderr
    )
    assert world.standing() == {gone}
    assert expired not in world.standing()


def test_what_is_extended_by_the_command_stays(world: World) -> None:
    name = world.branch("feature/alive", PAST)
    _deployed(world, name, **{BRANCH_KEY: "feature/alive", EXPIRES_KEY: PAST})
    iam, names = world.account.client("iam"), Names(name, shared=True)
    role = {"RoleName": f"{names.role}-1a2b3c4", "Path": names.iam_path}
    iam.create_role(**role, AssumeRolePolicyDocument=json.dumps(TRUST))
    assert world.found("--dry-run")[name]["reason"] == "expired"
    done = world.run("extend", "--env", name, "--days", "5")
    assert done.exit_code == 0, done.output
    told = world.found("--yes")[name]
    assert (told["expires"], told["reason"], told["spared"]) == ("2027-03-06", "", "")
    assert world.standing() == {name}
    world.account.client("s3").delete_bucket(Bucket=f"state-of-{name}")
    iam.delete_role(RoleName=role["RoleName"])


def test_an_extension_that_the_cloud_refuses_fails_and_keeps_it_all_the_same(world: World) -> None:
    name = world.branch("feature/alive", PAST)
    _deployed(world, name, **{BRANCH_KEY: "feature/alive", EXPIRES_KEY: PAST})
    done = world.run("extend", "--env", name, "--days", "5")
    assert done.exit_code == 1
    assert "has no role to record its expiry on" in done.stderr
    told = world.found("--yes")[name]
    assert told["spared"] == "expired, but its configuration keeps it until 2027-03-06"
    assert world.standing() == {name}
    world.account.client("s3").delete_bucket(Bucket=f"state-of-{name}")


@pytest.mark.parametrize(
    ("last", "stays"), [(date(2027, 2, 27), True), (date(2027, 2, 25), False), (None, False)]
)
def test_a_dag_run_that_somebody_started_is_use(
    world: World, last: date | None, *, stays: bool
) -> None:
    name = world.branch("feature/alive", PAST)
    _deployed(world, name)
    world.session.fake_airflow.by_hand = last
    told = world.found("--dry-run")[name]
    if stays:
        assert told["spared"] == "expired, but a DAG run was triggered manually on 2027-02-27"
    else:
        assert told["reason"] == "expired"
    world.found("--yes")
    assert world.standing() == ({name} if stays else set())
    if stays:
        world.account.client("s3").delete_bucket(Bucket=f"state-of-{name}")


def test_an_airflow_that_does_not_answer_keeps_nothing(world: World) -> None:
    name = world.branch("feature/alive", PAST)
    _deployed(world, name)
    world.session.fake_airflow.reachable = False
    done = world.run("sweep", "--yes")
    assert done.exit_code == 0, done.output
    assert f"{name} cannot say whether DAGs were run: Airflow does not answer" in done.stderr
    assert world.standing() == set()
