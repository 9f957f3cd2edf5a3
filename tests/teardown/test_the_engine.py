"""What keeps an engine from the end, and what a teardown does about it."""

from pathlib import Path
from typing import Any

import pytest

from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.lease import held
from cli.base.phases import Phases
from cli.operations.teardown.operation import DownOptions, TornDown, tear_down
from tests.teardown import kit
from tests.teardown.conftest import Cloud
from tests.teardown.test_leftovers import log_bucket, network_interfaces, repository

VIOLATION = KitError("AWS refuses to delete a subnet", "DependencyViolation: it has dependencies")


@pytest.fixture
def session(tmp_path: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> kit.Sandboxed:
    monkeypatch.setenv("AERODROME_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "of the tests")
    return kit.Sandboxed(tmp_path, cloud.client)


@pytest.fixture
def backend(session: kit.Sandboxed, cloud: Cloud) -> kit.FileBackend:
    """A stack of one bucket."""
    found: kit.FileBackend = session.backend(Environment(cloud.ours))
    name = f"aerodrome-{cloud.ours}-state"
    cloud.client("s3").create_bucket(Bucket=name)
    found.write(resources=[["s3", name]])
    return found


def _down(session: kit.Sandboxed, name: str, **options: Any) -> TornDown:
    phases = Phases(session.console, total=10)
    return tear_down(session, Environment(name), phases, DownOptions(keep_sandbox=True, **options))


def _step(done: TornDown, name: str) -> Any:
    return next(step for step in done.steps if step.name == name)


class Emptied(kit.FileBackend):
    """A stack that somebody else empties in the moment before."""

    def destroy(self, show: Any, *, seconds: float | None = None, stop: Any = None) -> Any:
        self.forget()
        raise KitError("The Pulumi CLI failed", "error: no previous deployment")


def test_interfaces_in_the_way_are_swept_and_the_engine_tries_once_more(
    cloud: Cloud, session: kit.Sandboxed, backend: kit.FileBackend
) -> None:
    network_interfaces(cloud, cloud.ours)
    backend.refuses = [VIOLATION]
    done = _down(session, cloud.ours)
    assert done.outcome is not None
    assert done.outcome.changes == {"delete": 1}
    swept = _step(done, "engine").deleted
    assert f"s3 aerodrome-{cloud.ours}-state" in swept
    assert len([item for item in swept if item.startswith("ec2 network-interface")]) == 2
    assert len([item for item in swept if item.startswith("ec2 security-group")]) == 1
    assert cloud.labels(cloud.ours) == []


def test_what_went_with_its_cluster_keeps_nobody_from_the_end(
    session: kit.Sandboxed, backend: kit.FileBackend, cloud: Cloud
) -> None:
    """A run that was killed left objects in the state; the cluster went by its tag."""
    backend.write(resources=[*backend._read()["resources"], ["kubernetes", "release"]])
    done = _down(session, cloud.ours)
    assert _step(done, "engine").notes == [
        "1 objects were deleted with their cluster: they are removed from the state"
    ]
    assert not backend.file.exists()
    assert cloud.labels(cloud.ours) == []


GONE = KitError("`pulumi destroy` failed", "uninstall: Release not loaded: airflow: not found")


def test_what_is_gone_already_is_looked_at_and_forgotten(
    session: kit.Sandboxed, backend: kit.FileBackend, cloud: Cloud
) -> None:
    """An engine was killed, and the cloud cleared by tag: Helm refuses to uninstall what is not there."""
    gone = f"aerodrome-{cloud.ours}-gone"
    backend.write(resources=[*backend._read()["resources"], ["s3", gone]])
    backend.refuses = [GONE]
    done = _down(session, cloud.ours)
    assert _step(done, "engine").notes == ["something is gone already: `pulumi destroy` failed"]
    assert done.outcome is not None
    assert done.outcome.changes == {"delete": 1}
    assert cloud.labels(cloud.ours) == []


def test_it_tries_only_once_more_and_the_stack_is_kept(
    cloud: Cloud, session: kit.Sandboxed, backend: kit.FileBackend
) -> None:
    backend.refuses = [VIOLATION, VIOLATION, VIOLATION]
    with pytest.raises(KitError, match="AWS refuses to delete a subnet"):
        _down(session, cloud.ours)
    assert len(backend.refuses) == 1
    assert backend.deployed()
    backend.refuses = []
    _down(session, cloud.ours)
    assert not backend.file.exists()


def test_another_failure_is_told_with_what_is_left(
    cloud: Cloud, session: kit.Sandboxed, backend: kit.FileBackend
) -> None:
    topic = f"/aerodrome/{cloud.ours}"
    cloud.client("ssm").put_parameter(
        Name=topic, Value="x", Type="String", Tags=cloud.tags(cloud.ours)
    )
    backend.refuses = [KitError("The provider broke off", "it was killed")]
    with pytest.raises(KitError) as left:
        _down(session, cloud.ours)
    assert "The engine failed: The provider broke off" in left.value.detail
    assert "is not known to this kit" in left.value.detail
    assert left.value.command == f"./aerodrome down --env {cloud.ours}"
    assert backend.deployed()
    cloud.client("ssm").delete_parameter(Name=topic)


def test_a_stack_that_is_empty_already_is_done(
    cloud: Cloud, session: kit.Sandboxed, backend: kit.FileBackend
) -> None:
    """Pulumi's engine fails on it, and a sweep of many stacks would end there."""
    emptied = Emptied(backend.file, cloud.client)
    session.backends[cloud.ours] = emptied
    done = _down(session, cloud.ours)
    assert done.outcome is not None
    assert done.outcome.changes == {}
    assert not emptied.file.exists()


def test_without_a_state_the_cloud_is_enough(cloud: Cloud, session: kit.Sandboxed) -> None:
    log_bucket(cloud, cloud.ours)
    log_bucket(cloud, cloud.theirs)
    done = _down(session, cloud.ours)
    assert done.outcome is None
    assert _step(done, "engine").notes == ["it is in no state"]
    assert _step(done, "cloud").deleted == [f"s3 aerodrome-{cloud.ours}-logs"]
    assert cloud.labels(cloud.theirs) == [f"s3 aerodrome-{cloud.theirs}-logs"]


def test_a_protected_environment_goes_only_by_its_name_and_then_with_its_data(
    cloud: Cloud, session: kit.Sandboxed, backend: kit.FileBackend
) -> None:
    backend.write(plain={"aerodrome:protect": "true"})
    log_bucket(cloud, cloud.ours)
    repository(cloud, cloud.ours)
    before = cloud.labels(cloud.ours)
    for options in ("", "another"):
        with pytest.raises(UserError, match="is protected") as refused:
            _down(session, cloud.ours, yes_destroy=options)
        assert refused.value.exit_code == 2
        assert refused.value.command.endswith(f"--yes-destroy {cloud.ours}")
    assert cloud.labels(cloud.ours) == before
    assert backend.deployed()
    done = _down(session, cloud.ours, yes_destroy=cloud.ours)
    assert _step(done, "data").deleted == [
        f"0 images of aerodrome-{cloud.ours}-airflow",
        f"3 versions of objects in s3://aerodrome-{cloud.ours}-logs",
    ]
    assert cloud.labels(cloud.ours) == []


def test_the_last_snapshot_of_a_protected_database_is_kept_and_named(
    cloud: Cloud, session: kit.Sandboxed, backend: kit.FileBackend
) -> None:
    backend.write(plain={"aerodrome:protect": "true"})
    rds, name = cloud.client("rds"), f"{cloud.ours}-database"
    rds.create_db_instance(
        DBInstanceIdentifier=name,
        DBInstanceClass="db.t4g.small",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="airflow",
        MasterUserPassword="not-a-secret",
        DeletionProtection=True,
        Tags=cloud.tags(cloud.ours),
    )
    for end in ("final", "older"):
        rds.create_db_snapshot(
            DBInstanceIdentifier=name,
            DBSnapshotIdentifier=f"{name}-{end}",
            Tags=cloud.tags(cloud.ours),
        )
    done = _down(session, cloud.ours, yes_destroy=cloud.ours)
    assert done.kept == [f"rds snapshot {name}-final"]
    assert cloud.labels(cloud.ours) == [f"rds snapshot {name}-final"]
    rds.delete_db_snapshot(DBSnapshotIdentifier=f"{name}-final")


def test_credentials_that_expire_half_way_end_it_at_once_and_the_next_run_goes_on(
    cloud: Cloud, session: kit.Sandboxed, backend: kit.FileBackend
) -> None:
    log_bucket(cloud, cloud.ours)
    administrator = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [administrator]}
    key = cloud.emulator.user(f"{cloud.ours}-deployer", policy)

    def expiring(service: str) -> Any:
        if service == "logs":
            # In the middle of a look at the cloud.
            cloud.client("iam").update_access_key(
                UserName=f"{cloud.ours}-deployer", AccessKeyId=key["id"], Status="Inactive"
            )
        return cloud.emulator.client(service, **key)

    expired = kit.Sandboxed(backend.file.parent, expiring)
    with pytest.raises(UserError, match="does not accept the credentials") as over:
        _down(expired, cloud.ours)
    assert over.value.exit_code == 2
    assert "the same command continues from here" in over.value.detail
    _down(session, cloud.ours)
    assert cloud.labels(cloud.ours) == []
    assert not backend.file.exists()


def test_a_base_waits_for_what_comes_up_on_it(
    cloud: Cloud, session: kit.Sandboxed, backend: kit.FileBackend
) -> None:
    """Nothing of the branch is to be seen yet, in cloud or cluster: only its lease."""
    branch = Environment(f"{cloud.ours}-branch")
    with held(branch, "up", print, base=cloud.ours):
        for with_branches in (False, True):
            with pytest.raises(UserError, match="`up` is running") as refused:
                _down(session, cloud.ours, with_branches=with_branches)
            assert f'"{branch.name}", whose base is "{cloud.ours}"' in refused.value.summary
    assert backend.deployed()
    _down(session, cloud.ours)
    assert not backend.file.exists()
