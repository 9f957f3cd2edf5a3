"""`--engine pulumi`: a stand-in for the CLI writes down how it was called."""

import io
import json
from pathlib import Path

import pytest

from cli import stack_config
from cli.environments import Environment
from cli.pulumi_engine import PulumiEngineBackend
from cli.session import Session
from sandbox.errors import KitError, UserError
from tests.unit.cli.fakes import FakeSandbox

ENVIRONMENT = Environment("sandbox")
SUMMARY = '{"summaryEvent": {"resourceChanges": {"create": %d, "same": 1}}}'
CLI = """#!/bin/sh
env >"$0.env"; echo "$@" >"$0.arguments"; cat "$(echo "$PULUMI_BACKEND_URL" | cut -c8-)"/.pulumi/stacks/aerodrome/sandbox.json >"$0.state"
while [ $# -gt 1 ]; do [ "$1" = --event-log ] && events=$2; shift; done
echo '%s' >"$events"; echo '%s' >>"$events"
echo "warning: using pulumi-resource-aws from \\$PATH at $(command -v pulumi-resource-aws)"
echo working
[ ${CODE:-0} = 0 ] || echo "    error: DependencyViolation"
exit ${CODE:-0}
"""


@pytest.fixture
def pulumi(folders: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its path; `.env`, `.arguments` and `.state` beside it tell of its last run."""
    program = folders / "bin" / "pulumi"
    program.parent.mkdir()
    program.write_text(CLI % (SUMMARY % 9, SUMMARY % 2))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "the user's own")
    return program


@pytest.fixture
def backend(pulumi: Path) -> PulumiEngineBackend:
    stack_config.provide_passphrase(ENVIRONMENT, make=True)
    sandbox = FakeSandbox(None)  # type: ignore[arg-type]
    return PulumiEngineBackend(ENVIRONMENT, sandbox)


def test_the_last_summary_counts_and_our_plugins_are_not_warned_of(
    backend: PulumiEngineBackend,
) -> None:
    show = io.StringIO()
    assert backend.up(show).changes == {"create": 2, "same": 1}
    assert show.getvalue() == "working\n"


def test_it_works_on_the_same_state_and_on_nothing_of_the_users(
    backend: PulumiEngineBackend, pulumi: Path, folders: Path
) -> None:
    backend.preview(io.StringIO())
    lines = pulumi.with_name("pulumi.env").read_text().splitlines()
    variables = dict(line.split("=", 1) for line in lines if "=" in line)
    state = folders / "state"
    assert variables["PULUMI_BACKEND_URL"] == f"file://{state}/stacks"
    assert Path(variables["PULUMI_HOME"]).parent == state
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert variables["AWS_SESSION_TOKEN"] == ""
    assert "PULUMI_ACCESS_TOKEN" not in variables
    assert variables["PATH"].split(":")[0].endswith("sandbox/bin")
    arguments = pulumi.with_name("pulumi.arguments").read_text()
    assert f"--config-file {ENVIRONMENT.config_file}" in arguments
    assert arguments.startswith("preview --diff --stack sandbox")
    # The CLI knows only stacks that have a file.
    document = json.loads(pulumi.with_name("pulumi.state").read_text())
    assert document["checkpoint"]["stack"] == "organization/aerodrome/sandbox"


def test_its_failure_is_ours(backend: PulumiEngineBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODE", "255")
    with pytest.raises(KitError, match="exit code 255") as failed:
        backend.destroy(io.StringIO())
    assert failed.value.detail == "error: DependencyViolation"
    assert failed.value.command == "./aerodrome down --engine pulumi"


def test_what_the_embedded_engine_left_unfinished_is_its_to_finish(
    backend: PulumiEngineBackend, pulumi: Path, folders: Path
) -> None:
    urn = "urn:pulumi:sandbox::aerodrome::aws:s3/bucket:Bucket::logs"
    backend.forget()
    file = folders / "state" / "stacks" / ".pulumi" / "stacks" / "aerodrome" / "sandbox.json"
    document = json.loads(file.read_text())
    resource = {"urn": urn, "type": "aws:s3/bucket:Bucket", "custom": True}
    document["checkpoint"]["latest"]["pending_operations"] = [
        {"type": "creating", "resource": resource}
    ]
    file.write_text(json.dumps(document))
    with pytest.raises(UserError, match="interrupted"):
        backend.up(io.StringIO())
    assert not pulumi.with_name("pulumi.arguments").exists()


def test_without_the_cli_nothing_is_begun(monkeypatch: pytest.MonkeyPatch, folders: Path) -> None:
    with pytest.raises(UserError, match="no `pulumi`"):
        Session(environ={"PATH": str(folders)}).require_pulumi()
