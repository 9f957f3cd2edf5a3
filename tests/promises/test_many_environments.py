"""`list` with many environments on AWS: how often it asks, and whom. Real are the command line as a process, S3 (the
emulator's) and Kubernetes' API server; Airflow's answer is played. How long it takes: `python -m tests.bench --only list`.
"""

import collections
import json
import os
import re
import stat
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cli.base.paths import ROOT
from cli.cloud.kubernetes import Kubernetes
from cli.stack.read_states import FOLDER
from infra.contract.naming import Names
from tests.many_environments import BASE, Many, deployed
from tests.promises.aws_cloud import Fault

COUNT = 12


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    with deployed(tmp_path_factory.mktemp("many"), COUNT) as found:
        yield found


@pytest.fixture(autouse=True)
def nothing_asked(many: Many) -> None:
    many.aws.calls.clear()
    many.aws.faults.clear()
    many.health.clear()


def run(variables: Mapping[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [ROOT / ".venv/bin/python", "-m", "cli", *words],
        cwd=ROOT,
        env=dict(variables),
        capture_output=True,
        text=True,
        check=False,
    )


def listed(variables: Mapping[str, str]) -> list[dict[str, Any]]:
    done = run(variables, "list", "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def without_pulumi(folder: Path, variables: Mapping[str, str]) -> tuple[dict[str, str], Path]:
    """Variables with a `pulumi` on the PATH that writes down each of its runs, and fails."""
    told = folder / "runs"
    program = folder / "pulumi"
    program.write_text(f'#!/bin/sh\necho "$@" >> {told}\nexit 1\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {**variables, "PATH": f"{folder}{os.pathsep}{variables['PATH']}"}, told


@pytest.fixture
def fresh(many: Many, tmp_path: Path) -> dict[str, str]:
    """Variables of a machine that has read no state yet."""
    return {**many.variables, "AERODROME_STATE": str(tmp_path / "state")}


def states_read(many: Many) -> list[str]:
    calls = (re.search(r"/stacks/aerodrome/([^?]*)\.json", call) for call in many.aws.calls)
    return [call[1] for call in calls if call]


def test_each_is_asked_once_and_no_pulumi_runs(
    many: Many, tmp_path: Path, fresh: Mapping[str, str]
) -> None:
    variables, told = without_pulumi(tmp_path, fresh)
    found = listed(variables)
    assert [each["environment"] for each in found] == sorted(many.names)
    assert {each["health"] for each in found} == {"healthy"}
    # The sandbox asks whether that one is recent enough for it.
    assert set(told.read_text().splitlines()) <= {"version"}
    assert sorted(states_read(many)) == sorted(many.names)
    # The list of the states, and the version of their form.
    assert len(many.aws.calls) == COUNT + 2, many.aws.calls
    assert collections.Counter(many.health) == {"/api/v2/monitor/health": COUNT}


class TestReadStates:
    """A state is read once, for as long as the bucket has the same."""

    NAME = f"{BASE}-feature-007"
    KEY = f".pulumi/stacks/aerodrome/{NAME}.json"

    @pytest.fixture(autouse=True)
    def listed_before(self, many: Many, fresh: Mapping[str, str]) -> list[dict[str, Any]]:
        found = listed(fresh)
        many.aws.calls.clear()
        return found

    def files(self, fresh: Mapping[str, str]) -> list[Path]:
        return [one for one in Path(fresh["AERODROME_STATE"], FOLDER).rglob("*") if one.is_file()]

    def test_what_has_not_changed_is_not_read_again(
        self, many: Many, fresh: Mapping[str, str], listed_before: list[dict[str, Any]]
    ) -> None:
        assert listed(fresh) == listed_before
        assert states_read(many) == []
        # The list of the states, and the version of their form.
        assert len(many.aws.calls) == 2
        # As ever they are asked how they are.
        assert len(many.health) == 2 * COUNT

    def test_what_has_changed_is_read_alone(self, many: Many, fresh: Mapping[str, str]) -> None:
        s3 = many.emulator.client("s3")
        before = s3.get_object(Bucket="states", Key=self.KEY)["Body"].read()
        s3.put_object(
            Bucket="states", Key=self.KEY, Body=before.replace(b"2099-12-31", b"2098-12-31")
        )
        try:
            found = {each["environment"]: each["expires"] for each in listed(fresh)}
        finally:
            s3.put_object(Bucket="states", Key=self.KEY, Body=before)
        assert states_read(many) == [self.NAME]
        assert found[self.NAME] == "2098-12-31"

    def test_what_is_gone_or_was_another_is_kept_no_longer(
        self, many: Many, fresh: Mapping[str, str]
    ) -> None:
        s3, files = many.emulator.client("s3"), self.files(fresh)
        assert len(files) == COUNT
        before = s3.get_object(Bucket="states", Key=self.KEY)["Body"].read()
        s3.delete_object(Bucket="states", Key=self.KEY)
        try:
            assert self.NAME not in {each["environment"] for each in listed(fresh)}
        finally:
            s3.put_object(Bucket="states", Key=self.KEY, Body=before)
        assert len(self.files(fresh)) == COUNT - 1
        assert set(self.files(fresh)) < set(files)

    def test_a_damaged_copy_is_none(self, many: Many, fresh: Mapping[str, str]) -> None:
        whole, *others = self.files(fresh)
        content = whole.read_bytes()
        for number, file in enumerate(others):
            file.write_bytes(content[:number])
        found = listed(fresh)
        assert {each["health"] for each in found} == {"healthy"}
        assert len(states_read(many)) == COUNT - 1
        many.aws.calls.clear()
        assert listed(fresh) == found
        assert states_read(many) == []

    def test_copies_are_this_users_alone(self, fresh: Mapping[str, str]) -> None:
        files = self.files(fresh)
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert {stat.S_IMODE(file.parent.stat().st_mode) for file in files} == {0o700}


def test_what_no_file_here_says_is_as_it_was_deployed(many: Many) -> None:
    found = {each["environment"]: each for each in listed(many.variables)}
    branch = found[f"{BASE}-feature-003"]
    assert (branch["tenancy"], branch["base"], branch["branch"], branch["expires"]) == (
        "shared",
        BASE,
        "feature-003",
        "2099-12-31",
    )
    assert found[BASE]["tenancy"] == "dedicated"


def test_where_no_address_leads_to_its_ui_kubernetes_says_its_health(many: Many) -> None:
    name = f"{BASE}-feature-004"
    space = Names(name, shared=True).namespace
    kubernetes = Kubernetes(many.kubeconfig, space)
    service = kubernetes.find("service", "airflow-api-server")
    assert service is not None
    kubernetes.patch(service, {"status": {"loadBalancer": {"ingress": None}}}, "status")
    scheduler = deployment(space, "scheduler")
    kubernetes.apply(scheduler, "t")
    health = {each["environment"]: each["health"] for each in listed(many.variables)}
    assert health.pop(name) == "scheduler has 0 of 1 pods ready"
    assert set(health.values()) == {"healthy"}
    kubernetes.patch(scheduler, {"status": {"replicas": 1, "readyReplicas": 1}}, "status")
    assert {each["health"] for each in listed(many.variables)} == {"healthy"}


def deployment(namespace: str, component: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/component": component}
    container = {"name": component, "image": "none"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"airflow-{component}", "namespace": namespace, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def test_a_bucket_that_is_not_read_is_left_to_pulumi(many: Many, tmp_path: Path) -> None:
    variables, told = without_pulumi(tmp_path, many.variables)
    many.aws.faults.append(Fault(r"GET /states.*", "AccessDenied", 403, times=100))
    done = run(variables, "list")
    assert done.returncode == 0
    assert "AWS refuses to read the states in the bucket states" in done.stderr
    assert told.read_text().startswith("stack ls")


def test_a_damaged_state_is_named_and_the_others_are_listed(many: Many) -> None:
    name = f"{BASE}-feature-005"
    s3 = many.emulator.client("s3")
    place = {"Bucket": "states", "Key": f".pulumi/stacks/aerodrome/{name}.json"}
    before = s3.get_object(**place)["Body"].read()
    s3.put_object(**place, Body=before[: len(before) // 2])
    try:
        health = {each["environment"]: each["health"] for each in listed(many.variables)}
    finally:
        s3.put_object(**place, Body=before)
    assert health.pop(name) == f"The state file s3://states/{place['Key']} is damaged"
    assert set(health.values()) == {"healthy"}


class TestThrottling:
    """AWS refuses calls several times over, which is worse than one in ten: they are made again until they go through.
    boto3's own default would give up after three."""

    TIMES = 4

    def test_the_list_goes_through(self, many: Many, fresh: Mapping[str, str]) -> None:
        many.aws.faults += [
            Fault(r"GET /states\?list-type.*", "SlowDown", 503, times=self.TIMES),
            Fault(rf"GET .*{BASE}-feature-006.json.*", "SlowDown", 503, times=self.TIMES),
        ]
        found = listed(fresh)
        assert {each["health"] for each in found} == {"healthy"}
        assert not any(fault.times for fault in many.aws.faults)

    def test_the_inventory_goes_through(self, many: Many, tmp_path: Path) -> None:
        """It is the search that `down` ends with, too."""
        many.emulator.client("ec2").create_volume(
            AvailabilityZone="us-east-1a",
            Size=1,
            TagSpecifications=[
                {
                    "ResourceType": "volume",
                    "Tags": [{"Key": "aerodrome:environment", "Value": BASE}],
                }
            ],
        )
        many.aws.faults += [
            Fault("DescribeVolumes", "RequestLimitExceeded", 503, times=self.TIMES),
            Fault("ListRoles", "Throttling", 400, times=self.TIMES),
            Fault("GetResources", "ThrottlingException", 400, times=self.TIMES),
        ]
        done = run(many.variables, "inventory", "--env", BASE, "--json")
        assert done.returncode == 0, done.stderr
        assert "ec2 volume" in {each["kind"] for each in json.loads(done.stdout)}
        assert not any(fault.times for fault in many.aws.faults)
