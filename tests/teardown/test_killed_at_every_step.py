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


def _start(folder: Path, cloud: Cloud) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.teardown.down_process", str(folder), cloud.ours],
        cwd=ROOT,
        env=os.environ | {"AERODROME_STATE": str(folder / "state"), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _kill_at(process: subprocess.Popen[str], moment: str) -> list[str]:
    """Kills it when it says so; what it said until then."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        name = line.partition("] ")[2].strip() if line.startswith("[") else line.rstrip()
        if name == moment or (moment.startswith(" ") and name.startswith(moment)):
            process.send_signal(signal.SIGKILL)
            process.wait()
            return said
    pytest.fail(f"it never came to {moment!r}:\n{''.join(said)}")


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


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_next_run_finishes(moment: str, folder: Path, cloud: Cloud) -> None:
    beside = cloud.labels(cloud.theirs)
    said = _kill_at(_start(folder, cloud), moment)
    assert said
    assert holder(Environment(cloud.ours)) is None, "a dead holder counts as living"
    left = FileStore(cloud.ours).read()
    assert left is not None
    dead = LeaseHolder.read(left.text)
    assert dead is not None

    out, err = _start(folder, cloud).communicate(timeout=200)
    assert f"`down` did not finish (process {dead.pid} of " in err
    assert f'inventory of "{cloud.ours}": empty' in out
    assert cloud.labels(cloud.ours) == []
    assert cloud.labels(cloud.theirs) == beside
    buckets = [item["Name"] for item in cloud.client("s3").list_buckets()["Buckets"]]
    assert not [name for name in buckets if cloud.ours in name]
    assert not (folder / f"{cloud.ours}.stack").exists(), "the stack is not removed"
    assert FileStore(cloud.ours).read() is None
