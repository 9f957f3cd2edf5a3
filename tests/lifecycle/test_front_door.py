"""`python -m sandbox.engine`: exit codes, one JSON document, no traceback, no secret."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
HUSH = "open-sesame-42"


def door(stack: Any, verb: str, *options: str) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "sandbox.engine", verb, "--stack", "dev"),
            *("--project-dir", str(stack.project_dir), "--state-dir", str(stack.state_dir)),
            *("--plugin-dir", str(HERE / "plugins"), *options),
        ],
        cwd=ROOT,
        env={**os.environ, **stack.environment()},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in ended.stderr
    return ended


def test_success_is_one_document(stack: Any) -> None:
    stack.program('Thing("a")\npulumi.export("key", pulumi.Output.secret("hidden-value"))')
    ended = door(stack, "up", "--json")
    document = json.loads(ended.stdout)
    assert ended.returncode == 0
    assert (document["result"], document["changed"]) == ("succeeded", True)
    assert document["changes"] == {"create": 2}
    assert document["outputs"] == {"key": "[secret]"}
    (run,) = json.loads(door(stack, "history").stdout)["history"]
    assert (run["kind"], run["result"]) == ("update", "succeeded")


def test_a_failure_after_something_was_made_tells_what_that_was(stack: Any) -> None:
    stack.program('a = Thing("a")\nThing("b", of=a.arn)')
    stack.faults(create_b="fail")
    ended = door(stack, "up", "--json", "--skip-preview")
    document = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert (document["result"], document["changed"]) == ("failed", True)
    assert document["changes"] == {"create": 2}
    assert document["error"] == {
        "code": "CloudError",
        "summary": "Creating fake:index:Thing b failed",
        "detail": "the cloud refuses to create b",
        "command": "",
        "urn": "urn:pulumi:dev::shop::fake:index:Thing::b",
        "operation": "create",
    }


@pytest.mark.parametrize("verb", ["preview", "up"])
def test_a_program_that_fails_before_anything_is_made_ends_with_2(stack: Any, verb: str) -> None:
    stack.program(f'raise ValueError("{HUSH}")')
    ended = door(stack, verb, "--json", "--secret-config", f"token={HUSH}")
    document = json.loads(ended.stdout)
    assert ended.returncode == 2
    assert document["result"] == "failed"
    assert document["error"]["code"] == "UserError"
    assert document["error"]["summary"].startswith("ValueError")
    assert HUSH not in ended.stdout + ended.stderr


def test_a_program_that_fails_after_something_was_made_ends_with_1(stack: Any) -> None:
    """2 means that nothing was changed, whoever is to blame."""
    stack.program(
        'a = Thing("a")\na.arn.apply(lambda arn: 1 / 0 if not pulumi.runtime.is_dry_run() else 1)'
    )
    ended = door(stack, "up", "--json")
    document = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert document["changes"] == {"create": 2}
    assert document["error"]["code"] == "UserError"
    assert stack.names() == ["a"]


def test_a_wrong_passphrase_file(stack: Any, tmp_path: Path) -> None:
    stack.up('Thing("a", key=pulumi.Output.secret("hidden-value"))')
    missing = {"PULUMI_CONFIG_PASSPHRASE_FILE": str(tmp_path / "nowhere")}
    variables = {k: v for k, v in stack.environment().items() if "PASSPHRASE" not in k}
    for content, message in [
        (None, f"The passphrase file {tmp_path / 'nowhere'} cannot be read"),
        ("wrong\n", "Wrong passphrase"),
        ("", "Wrong passphrase"),
    ]:
        if content is not None:
            (tmp_path / "nowhere").write_text(content)
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "sandbox.engine", "preview", "--json", "--stack", "dev"),
                *("--project-dir", str(stack.project_dir), "--state-dir", str(stack.state_dir)),
            ],
            cwd=ROOT,
            env={**os.environ, **variables, **missing},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ended.returncode == 2
        assert json.loads(ended.stdout)["error"]["summary"] == message
