"""`down` is killed wherever a step begins, and in the middle of two; the next run finishes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.base.environments import Environment
from cli.base.lease import LeaseHolder, holder
from cli.base.lease_stores import FileStore
from cli.base.paths import ROOT
from tests.teardown.conftest import Cloud
from tests.teardown.kit import FileBackend
from tests.teardown.test_leftovers import (
    claimed_volume,
    load_balancers,
    log_bucket,
    log_group,
    network_interfaces,
    users,
)

PLANTED = (load_balancers, claimed_volume, network_interfaces, log_group, log_bucket, users)

MOMENTS = [
    "drain",
    "rancher",
    "load balancers",
    "  deleted elasticloadbalancing load-balancer",
    "custom resources",
    "volumes",
    "node pools",
    "data",
    "database hook",
    "engine",
    "cluster",
    "cloud",
    "  deleted ec2 network-interface",
    "  deleted iam user",
    "inventory",
]
"""A step that begins, or a deletion that has just been told."""


def _down(folder: Path, cloud: Cloud, *moment: str) -> tuple[int, str, str]:
    """Its exit code and what it says; with a moment it is killed there."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.teardown.down_process", str(folder), cloud.ours, *moment],
        cwd=ROOT,
        env=os.environ | {"AERODROME_STATE": str(folder / "state"), "PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stack of two resources, leftovers of many kinds, and a neighbour with some of the same."""
    monkeypatch.setenv("AERODROME_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "of the tests")
    root = cloud.emulator.root
    place = {
        "endpoint_url": cloud.emulator.url,
        "region_name": "us-east-1",
        "aws_access_key_id": root["id"],
        "aws_secret_access_key": root["secret"],
    }
    (tmp_path / "emulator.json").write_text(json.dumps(place))
    names = [f"aerodrome-{cloud.ours}-{part}" for part in ("one", "two")]
    for name in names:
        cloud.client("s3").create_bucket(Bucket=name)
    backend = FileBackend(tmp_path / f"{cloud.ours}.stack", cloud.client)
    backend.write(resources=[["s3", name] for name in names])
    for plant in PLANTED:
        plant(cloud, cloud.ours)
    claimed_volume(cloud, cloud.theirs)
    return tmp_path


QUICK = ("drain", "engine", "cloud")
"""One of the cluster's, one of Pulumi's, one of AWS'."""


@pytest.mark.parametrize(
    "moment",
    [one if one in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in MOMENTS],
)
def test_the_next_run_finishes(moment: str, folder: Path, cloud: Cloud) -> None:
    beside = cloud.labels(cloud.theirs)
    code, _, said = _down(folder, cloud, moment)
    assert code == -signal.SIGKILL, f"it never came to {moment!r}:\n{said}"
    assert holder(Environment(cloud.ours)) is None, "a dead holder counts as living"
    left = FileStore(cloud.ours).read()
    assert left is not None
    dead = LeaseHolder.read(left.text)
    assert dead is not None

    _, out, err = _down(folder, cloud)
    assert f"`down` did not finish (process {dead.pid} of " in err
    assert f'inventory of "{cloud.ours}": empty' in out
    assert cloud.labels(cloud.ours) == []
    assert cloud.labels(cloud.theirs) == beside
    buckets = [item["Name"] for item in cloud.client("s3").list_buckets()["Buckets"]]
    assert not [name for name in buckets if cloud.ours in name]
    assert not (folder / f"{cloud.ours}.stack").exists(), "the stack is not removed"
    assert FileStore(cloud.ours).read() is None
