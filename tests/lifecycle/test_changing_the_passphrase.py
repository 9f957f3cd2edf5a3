"""Another passphrase: state and configuration change together, or not at all."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.engine import operations
from sandbox.engine.state import passphrase
from sandbox.engine.state.lock import hold
from sandbox.engine.state.store import StackStore
from sandbox.errors import UserError
from sandbox.wire.values import Secret

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
HUSH = "open-sesame-42"
OLD = "correct horse"
NEW = "battery staple"
PROGRAM = """
token = pulumi.Config().require_secret("token")
Thing("a", key=token, list=[{"x": token}])
pulumi.export("token", token)
"""


def prepare(stack: Any) -> None:
    operations.set_config(
        stack.project_dir, "dev", None, "token", HUSH, secret=True, passphrase=OLD
    )
    file = stack.project_dir / "Pulumi.dev.yaml"
    file.write_text(f"# who asks for it\n{file.read_text()}")
    stack.up(PROGRAM)


def use(stack: Any, phrase: str | None) -> None:
    environment = {**stack.request.environment, "PULUMI_CONFIG_PASSPHRASE": phrase}
    stack.configure(environment={k: v for k, v in environment.items() if v is not None})


def readable(stack: Any, phrase: str) -> bool:
    """Whether both files open with this passphrase."""
    use(stack, phrase)
    try:
        config = operations.read_config(stack.project_dir, "dev", None, phrase)
        outputs = operations.outputs(stack.request)
    except UserError as error:
        assert error.summary == "Wrong passphrase"
        return False
    assert config.values["shop:token"] == HUSH
    assert outputs["token"] == Secret(HUSH)
    return True


def test_both_files_open_with_the_new_one_and_not_with_the_old(stack: Any) -> None:
    prepare(stack)
    before = stack.document()["checkpoint"]["latest"]
    # The configuration's one, and what the state holds of it.
    assert operations.change_passphrase(stack.request, NEW) >= 4
    assert not readable(stack, OLD)
    assert readable(stack, NEW)
    latest = stack.document()["checkpoint"]["latest"]
    assert latest["secrets_providers"]["state"]["salt"].startswith("v1:")
    assert [r["urn"] for r in latest["resources"]] == [r["urn"] for r in before["resources"]]
    config = (stack.project_dir / "Pulumi.dev.yaml").read_text()
    assert config.startswith("# who asks for it\n")
    assert HUSH not in config + stack.all_state_text()
    assert stack.up().changes == {"same": 2}
    assert [path.name for path in stack.project_dir.glob(".*")] == []


@pytest.mark.parametrize(
    ("given", "message"), [("wrong", "Wrong passphrase"), ("", "Wrong passphrase")]
)
def test_it_is_refused_without_the_old_one(stack: Any, given: str, message: str) -> None:
    prepare(stack)
    before = stack.document()
    use(stack, given)
    with pytest.raises(UserError, match=message) as caught:
        operations.change_passphrase(stack.request, NEW)
    assert caught.value.exit_code == 2
    assert stack.document() == before
    assert readable(stack, OLD)


def test_an_empty_new_one_is_refused(stack: Any) -> None:
    prepare(stack)
    with pytest.raises(UserError, match="The new passphrase is empty"):
        operations.change_passphrase(stack.request, "")


def test_it_is_refused_while_somebody_works_on_the_stack(stack: Any) -> None:
    prepare(stack)
    with (
        hold(StackStore(stack.state_dir, "shop", "dev")),
        pytest.raises(UserError, match="The stack shop/dev is locked"),
    ):
        operations.change_passphrase(stack.request, NEW)
    assert readable(stack, OLD)


def test_the_configuration_alone_will_do(stack: Any) -> None:
    operations.set_config(
        stack.project_dir, "dev", None, "token", HUSH, secret=True, passphrase=OLD
    )
    assert operations.change_passphrase(stack.request, NEW) == 1
    config = operations.read_config(stack.project_dir, "dev", None, NEW)
    assert config.values == {"shop:token": HUSH}
    assert operations.opens_config(stack.project_dir / "Pulumi.dev.yaml", NEW)
    assert not operations.opens_config(stack.project_dir / "Pulumi.dev.yaml", OLD)


def test_what_a_killed_run_left_is_folded_first(stack: Any) -> None:
    prepare(stack)
    command = [sys.executable, str(HERE / "killing.py"), "4", "before", "up", "--skip-preview"]
    stack.program(PROGRAM.replace('Thing("a"', 'Thing("b"'))
    assert run(stack, command) == -signal.SIGKILL
    assert (stack.state_dir / ".pulumi/stacks/shop/dev.journal").exists()
    operations.change_passphrase(stack.request, NEW)
    use(stack, NEW)
    stack.up()
    assert stack.names() == ["b"]
    assert len(stack.cloud()) == 1


def test_a_file_that_was_edited_after_a_cut_short_change_is_not_overwritten(stack: Any) -> None:
    prepare(stack)
    (stack.folder / "new").write_text(NEW)
    assert change_and_kill(stack, "rename", 2) == -signal.SIGKILL
    file = stack.project_dir / "Pulumi.dev.yaml"
    edited = file.read_text() + "# later\n"
    file.write_text(edited)
    with pytest.raises(UserError, match=r"Pulumi\.dev\.yaml was changed while"):
        operations.outputs(stack.request)
    assert file.read_text() == edited


def run(stack: Any, command: list[str]) -> int:
    ended = subprocess.run(
        [
            *command,
            *("--project-dir", str(stack.project_dir), "--stack", "dev"),
            *("--state-dir", str(stack.state_dir), "--plugin-dir", str(HERE / "plugins")),
        ],
        env={**os.environ, **stack.environment()},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return ended.returncode


def change_and_kill(stack: Any, call: str, count: int) -> int:
    command = [sys.executable, str(HERE / "killing_calls.py"), call, str(count)]
    return run(stack, [*command, "passphrase", "--new-passphrase-file", str(stack.folder / "new")])


def test_killed_at_any_moment_it_leaves_the_one_or_the_other(stack: Any) -> None:
    prepare(stack)
    (stack.folder / "new").write_text(NEW)
    seen = set()
    for call in ("write", "fsync", "rename", "unlink"):
        for count in range(1, 40):
            code = change_and_kill(stack, call, count)
            assert code in (0, -signal.SIGKILL)
            opens = [readable(stack, phrase) for phrase in (OLD, NEW)]
            assert sorted(opens) == [False, True], f"{call} {count}"
            seen.add((call, opens[1]))
            if opens[1]:
                assert operations.change_passphrase(stack.request, OLD)
            use(stack, OLD)
            if code == 0:
                break
        else:
            pytest.fail(f"{call}: there are more moments")
    # Killed before it was decided, and after.
    assert {("rename", False), ("rename", True), ("unlink", True)} <= seen


def test_the_front_door(stack: Any) -> None:
    prepare(stack)
    (stack.folder / "new").write_text(f"{NEW}\n")
    door = [sys.executable, "-m", "sandbox.engine", "passphrase"]
    assert run(stack, [*door, "--new-passphrase-file", str(stack.folder / "new")]) == 0
    assert readable(stack, NEW)
    # The environment still gives the old one.
    assert run(stack, [*door, "--new-passphrase-file", str(stack.folder / "new")]) == 2
    assert run(stack, [*door, "--new-passphrase-file", str(stack.folder / "nowhere")]) == 2


def test_secrets_in_lists_and_of_other_salts(stack: Any) -> None:
    """A configuration file may have been encrypted apart from the state."""
    prepare(stack)
    file = stack.project_dir / "Pulumi.dev.yaml"
    file.unlink()
    operations.set_config(
        stack.project_dir, "dev", None, "token", HUSH, secret=True, passphrase=OLD
    )
    operations.change_passphrase(stack.request, NEW)
    assert readable(stack, NEW)
    salt = stack.document()["checkpoint"]["latest"]["secrets_providers"]["state"]["salt"]
    assert f"encryptionsalt: {salt}" in file.read_text()


def test_the_marker_holds_no_secret_in_clear(stack: Any) -> None:
    prepare(stack)
    (stack.folder / "new").write_text(NEW)
    assert change_and_kill(stack, "rename", 2) == -signal.SIGKILL
    (marker,) = stack.project_dir.glob(".*.passphrase")
    text = json.dumps(json.loads(marker.read_text()))
    assert HUSH not in text
    assert NEW not in text
    assert marker.stat().st_mode & 0o777 == 0o600
    passphrase.settle(stack.project_dir / "Pulumi.dev.yaml")
    assert not marker.exists()
    assert readable(stack, NEW)


def test_a_request_for_another_configuration_file(stack: Any, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere" / "Pulumi.dev.yaml"
    operations.encrypt_config(OLD, file, {"shop:token": HUSH})
    operations.change_passphrase(replace(stack.request, config_file=file), NEW)
    assert operations.opens_config(file, NEW)
