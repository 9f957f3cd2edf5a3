"""`down` of an environment on AWS, up to the backend: region, lease, cluster, agreement."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from cli.base.environments import Environment
from cli.base.lease import LeaseHolder
from cli.cloud.eks import kubeconfig
from cli.cloud.lease_bucket import store_of
from infra.contract.naming import Names, state_bucket
from tests.teardown import kit
from tests.teardown.conftest import Cloud
from tests.teardown.test_leftovers import cluster, log_group

REGION = "us-east-1"


@pytest.fixture
def name(cloud: Cloud) -> str:
    """One that is not on this machine."""
    return cloud.ours.removeprefix("sandbox-")


@pytest.fixture
def session(
    tmp_path: Path, cloud: Cloud, name: str, monkeypatch: pytest.MonkeyPatch
) -> kit.Sandboxed:
    monkeypatch.setenv("AERODROME_STATE", str(tmp_path / "state"))
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(variable, raising=False)
    account = cloud.client("sts").get_caller_identity()["Account"]
    cloud.client("s3").create_bucket(Bucket=state_bucket(account, REGION))
    made = kit.Sandboxed(tmp_path, cloud.client)
    bucket = f"aerodrome-{name}-state"
    cloud.client("s3").create_bucket(Bucket=bucket)
    made.backend(Environment(name)).write(
        plain={"aws:region": REGION}, resources=[["s3", bucket]], outputs={"tenancy": "dedicated"}
    )
    return made


def _down(session: kit.Sandboxed, name: str, *more: str) -> Result:
    return CliRunner().invoke(app, ["down", "--env", name, *more], obj=session)


def test_it_goes_with_its_cluster_and_the_stack_is_removed(
    cloud: Cloud, name: str, session: kit.Sandboxed
) -> None:
    for environment in (name, cloud.theirs):
        cluster(cloud, environment)
        log_group(cloud, environment)
    beside = cloud.labels(cloud.theirs)
    done = _down(session, name, "--yes", "--json")
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    assert data["changes"] == {"delete": 1}
    steps = {step["name"]: step["deleted"] for step in data["steps"]}
    assert f"eks cluster {Names(name).cluster}" in steps["cloud"]
    assert f"logs log-group {Names(name).control_plane_log_group}" in steps["cloud"]
    assert not session.backend(Environment(name)).file.exists()
    assert cloud.labels(name) == []
    assert cloud.labels(cloud.theirs) == beside
    store = store_of(cloud.client, name, REGION)
    assert store is not None
    assert store.read() is None


def test_without_agreement_nothing_is_changed(name: str, session: kit.Sandboxed) -> None:
    refused = _down(session, name)
    assert refused.exit_code == 2
    assert "Nothing was changed" in refused.stderr
    assert session.backend(Environment(name)).deployed()


def test_somebody_elses_down_on_another_machine_is_named(
    cloud: Cloud, name: str, session: kit.Sandboxed
) -> None:
    from dataclasses import asdict, replace

    other = replace(LeaseHolder.myself("down"), host="build-7", owner="ana", pid=77)
    store = store_of(cloud.client, name, REGION)
    assert store is not None
    assert store.write(json.dumps(asdict(other)), None)
    refused = _down(session, name, "--yes")
    assert refused.exit_code == 2
    assert "process 77 of ana on build-7" in refused.stderr
    assert "ssh build-7 kill -INT 77" in refused.stderr
    assert session.backend(Environment(name)).deployed()


def test_without_a_configuration_the_region_has_to_be_said(
    cloud: Cloud, name: str, session: kit.Sandboxed, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.backend(Environment(name)).write(plain={}, resources=[])
    log_group(cloud, name)
    refused = _down(session, name, "--yes")
    assert refused.exit_code == 2
    assert f"AWS_REGION=eu-central-1 ./aerodrome down --env {name}" in refused.stderr
    monkeypatch.setenv("AWS_REGION", REGION)
    assert _down(session, name, "--yes").exit_code == 0
    assert cloud.labels(name) == []


def test_the_way_into_a_cluster_of_which_no_state_tells(cloud: Cloud, name: str) -> None:
    cluster(cloud, name)
    config: Any = json.loads(kubeconfig(cloud.client, Names(name).cluster, REGION))
    server = config["clusters"][0]["cluster"]
    assert server["server"].startswith("https://")
    assert server["certificate-authority-data"]
    login = config["users"][0]["user"]["exec"]
    words = f"--region {REGION} eks get-token --cluster-name {Names(name).cluster} "
    assert (login["command"], " ".join(login["args"])[: len(words)]) == ("aws", words)
    cloud.clear(name)
