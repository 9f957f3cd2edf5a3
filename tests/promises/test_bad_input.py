"""What is wrong before or beside a run, said by the real Pulumi CLI: what, why, the next command; exit 2
and nothing changed where nothing was changed."""

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from cli.base.errors import KitError, UserError
from tests.promises.aws_cloud import AwsStack, Emulator, Proxy
from tests.promises.test_interrupted_plugin import PluginKiller

ONE = 'aws.ec2.Vpc("net", cidr_block="10.0.0.0/16")\n'
TWO = ONE + 'aws.ec2.Vpc("more", cidr_block="10.1.0.0/16")\n'
OPERATIONS = ("preview", "up", "refresh", "destroy")


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, emulator: Emulator) -> AwsStack:
    """One for all: nothing that is refused changes it, which each test looks at."""
    stack = AwsStack(tmp_path_factory.mktemp("standing"), emulator)
    stack.program(ONE)
    stack.up()
    stack.program(TWO)
    return stack


@pytest.fixture
def deployed(standing: AwsStack) -> AwsStack:
    standing.shown.seek(0)
    standing.shown.truncate()
    return standing


def operate(stack: AwsStack, operation: str, **variables: str) -> None:
    getattr(stack.driver(**variables), operation)(stack.shown)


def refused(stack: AwsStack, operation: str, **variables: str) -> KitError:
    """The operation fails as a user's mistake, and changes neither state nor cloud."""
    before, networks = content(stack), vpcs(stack)
    with pytest.raises(UserError) as caught:
        operate(stack, operation, **variables)
    assert content(stack) == before
    assert vpcs(stack) == networks
    assert "Traceback" not in f"{caught.value}{caught.value.detail}{stack.shown.getvalue()}"
    return caught.value


def content(stack: AwsStack) -> Any:
    """The state, without the times at which it was written."""
    data = stack.checkpoint.read_bytes()
    try:
        return {**json.loads(data)["checkpoint"]["latest"], "manifest": None}
    except ValueError:
        return data


def vpcs(stack: AwsStack) -> set[str]:
    found = stack.emulator.client("ec2").describe_vpcs()["Vpcs"]
    return {str(each["VpcId"]) for each in found}


def refused_with(stack: AwsStack, operation: str, state: bytes) -> KitError:
    """The same with another file as the state; the true one is put back."""
    whole = stack.checkpoint.read_bytes()
    stack.checkpoint.write_bytes(state)
    try:
        return refused(stack, operation)
    finally:
        stack.checkpoint.write_bytes(whole)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_wrong_passphrase(deployed: AwsStack, operation: str) -> None:
    error = refused(deployed, operation, PULUMI_CONFIG_PASSPHRASE="battery staple")
    assert error.summary == 'The passphrase does not open the secrets of "dev"'
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" in error.detail


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_a_damaged_state(deployed: AwsStack, operation: str, damage: str) -> None:
    whole = deployed.checkpoint.read_bytes()
    kinds = {"cut": whole[: len(whole) // 2], "empty": b"", "text": b"<html></html>"}
    error = refused_with(deployed, operation, kinds[damage])
    assert "is damaged" in error.summary
    assert "dev" in error.summary
    assert ".bak" in error.detail


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_state_of_another_project(deployed: AwsStack, operation: str) -> None:
    whole = deployed.checkpoint.read_bytes()
    error = refused_with(deployed, operation, whole.replace(b"::aerodrome::", b"::other::"))
    assert "belongs to another stack" in error.summary
    assert "urn:pulumi:dev::other::" in error.detail


@pytest.mark.parametrize("operation", ["up", "refresh", "destroy"])
def test_a_lock_that_somebody_living_holds(deployed: AwsStack, operation: str) -> None:
    folder = deployed.state / ".pulumi" / "locks" / "organization" / "aerodrome" / "dev"
    lock = folder / "b9a1d5e8-0000-4000-8000-000000000000.json"
    folder.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    holder = {"pid": os.getpid(), "username": "ada", "hostname": socket.gethostname()}
    lock.write_text(json.dumps(holder | {"timestamp": stamp}))
    try:
        error = refused(deployed, operation)
        assert lock.exists()
    finally:
        lock.unlink()
    assert error.summary == 'Another run of Pulumi is running on "dev"'
    assert f"ada@{socket.gethostname()} (pid {os.getpid()})" in error.detail
    assert error.command == "pulumi cancel --stack dev"


def broken_pulumi(folder: Path, script: str) -> str:
    """A PATH whose first `pulumi` is this script."""
    folder.mkdir()
    (folder / "pulumi").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "pulumi").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("script", "reason", "said"),
    [
        ("echo 'Illegal instruction' >&2; exit 132", "exit code 132", "Illegal instruction"),
        ("kill -SEGV $$", "SIGSEGV", ""),
        ("exec /nowhere/at/all", "exit code 127", "/nowhere/at/all: not found"),
        ("echo 'error: unknown flag: --event-log' >&2; exit 255", "too old", "--event-log"),
    ],
)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_pulumi_that_is_broken_or_too_old(
    deployed: AwsStack, tmp_path: Path, operation: str, script: str, reason: str, said: str
) -> None:
    path = broken_pulumi(tmp_path / "broken", script)
    error = refused(deployed, operation, PATH=path)
    assert error.summary.startswith("The Pulumi CLI does not work: ")
    assert reason in error.summary
    assert said in error.detail
    assert str(tmp_path / "broken" / "pulumi") in error.detail
    assert error.command == "./aerodrome doctor"


def test_a_plugin_that_dies_having_changed_nothing(
    tmp_path: Path, emulator: Emulator, proxy: Proxy
) -> None:
    stack = AwsStack(tmp_path, emulator, proxy.url)
    stack.program(ONE)
    stack.up()
    stack.program(ONE + 'pulumi.export("zones", aws.get_availability_zones().names)\n')
    proxy.after = PluginKiller("DescribeAvailabilityZones")
    error = refused(stack, "up")
    proxy.after = lambda operation: None
    assert error.summary == "A plugin of Pulumi exited unexpectedly: aws"
    assert error.command == "./aerodrome up --env dev"
    stack.up()
    stack.destroy()


def test_a_plugin_that_does_not_start(deployed: AwsStack, tmp_path: Path) -> None:
    folder = tmp_path / "plugins"
    folder.mkdir()
    plugin = folder / "pulumi-resource-aws"
    plugin.write_text("#!/bin/sh\necho 'no module named x' >&2\nexit 1\n")
    plugin.chmod(0o755)
    path = f"{folder}:{deployed.variables()['PATH']}"
    for operation in ("preview", "up"):
        error = refused(deployed, operation, PATH=path)
        assert "plugin" in error.summary
        assert "no module named x" in error.detail


def test_what_was_done_is_numbered(deployed: AwsStack) -> None:
    runs = deployed.driver().history()
    assert [run["version"] for run in runs] == list(range(len(runs), 0, -1))
    assert runs[-1]["result"] == "succeeded"
