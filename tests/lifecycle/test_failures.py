"""What goes wrong: the first true error, told once; what succeeded is kept."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sandbox.engine import operations
from sandbox.engine.applying.events import Diagnostic, StepFailed
from sandbox.errors import KitError, Unsupported, UserError

ROOT = Path(__file__).parent.parent.parent


def test_siblings_finish_dependents_are_skipped_and_the_next_run_makes_the_rest(stack: Any) -> None:
    program = """
    a = Thing("a")
    Thing("after", of=a.arn)
    Thing("sibling")
    """
    stack.faults(create_a="fail", create_sibling="slow")
    with pytest.raises(KitError) as caught:
        stack.up(program)
    assert caught.value.exit_code == 1
    assert str(caught.value) == (
        "Creating fake:index:Thing a failed\nthe cloud refuses to create a"
    )
    assert stack.names() == ["sibling"]
    assert len([e for e in stack.events if isinstance(e, StepFailed)]) == 1
    assert [e for e in stack.events if isinstance(e, Diagnostic)] == []
    stack.verify()
    stack.faults()
    assert stack.up().changes == {"same": 2, "create": 2}


def test_outputs_of_a_failed_run_are_kept(stack: Any) -> None:
    stack.up('pulumi.export("v", 1)')
    stack.faults(create_a="fail")
    with pytest.raises(KitError):
        stack.up('pulumi.export("v", 2)\nThing("a")')
    assert operations.outputs(stack.request)["v"] == 2


def test_a_failed_deletion_keeps_the_resource_and_deletes_the_others(stack: Any) -> None:
    stack.up('Thing("a")\nThing("b")')
    stack.faults(delete_a="fail")
    with pytest.raises(KitError, match="refuses to delete a"):
        stack.destroy()
    stack.verify()
    assert stack.names() == ["a"]
    stack.faults()
    stack.destroy()
    assert stack.cloud() == {}


def test_a_half_created_resource_is_kept_and_updated_by_the_next_run(stack: Any) -> None:
    stack.faults(create_a="partial")
    with pytest.raises(KitError, match="it sulks"):
        stack.up('Thing("a")')
    assert stack.resource("a").init_errors == ("it sulks",)
    stack.faults()
    assert stack.up().changes == {"same": 1, "update": 1}
    assert stack.resource("a").init_errors == ()
    assert stack.calls("create") == ["create a"]


def test_a_provider_that_dies_before_or_after_the_effect(stack: Any) -> None:
    for fault in ("die", "die-after"):
        stack.faults_file.write_text(f'{{"create a": "{fault}"}}')
        with pytest.raises(KitError, match="The fake provider ended unexpectedly during Create"):
            stack.up('Thing("a")')
        stack.verify()
        stack.faults()
        stack.up()
        assert len(stack.cloud()) == 1
        stack.destroy()
        assert stack.cloud() == {}


def test_a_failure_in_the_preview_of_up_changes_nothing(stack: Any) -> None:
    stack.program('Thing("a")\nThing("b", invalid=True)')
    with pytest.raises(UserError) as caught:
        operations.up(stack.request, stack.events.append)
    assert str(caught.value) == (
        "urn:pulumi:dev::shop::fake:index:Thing::b is not right\ninvalid: must not be set"
    )
    assert caught.value.exit_code == 2
    assert stack.cloud() == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('raise pulumi.RunError("size must be positive")', "size must be positive"),
        (
            "1 / 0",
            "ZeroDivisionError: division by zero\n  in {main}, line 4, in <module>\n    1 / 0",
        ),
        (
            "import nothing_of_that_name",
            "ModuleNotFoundError: No module named 'nothing_of_that_name'",
        ),
        ("raise SystemExit(3)", "The program ended with exit code 3"),
        ('pulumi.Config().require("size")', "Missing required configuration variable 'shop:size'"),
    ],
)
def test_an_error_of_the_program(stack: Any, text: str, message: str) -> None:
    stack.program(text)
    with pytest.raises(UserError) as caught:
        stack.preview()
    main = stack.project_dir / "__main__.py"
    assert str(caught.value).startswith(message.format(main=main))
    assert "Traceback" not in str(caught.value)


def test_an_error_in_an_apply_is_the_programs_error(stack: Any) -> None:
    stack.program('a = Thing("a")\na.name.apply(lambda n: n.nothing)')
    with pytest.raises(UserError, match="has no attribute 'nothing'"):
        stack.preview()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            "from pulumi import ResourceHook, ResourceHookBinding\n"
            'h = ResourceHook("h", lambda args: None)\n'
            'Thing("a", opts=O(hooks=ResourceHookBinding(before_create=[h])))',
            "resource hooks",
        ),
        ('Thing("a", opts=O(replacement_trigger="x"))', "replacement_trigger"),
        ('Thing("a")\nProvider("p", opts=O(env_var_mappings={"A": "B"}))', "env_var_mappings"),
        (
            "from pulumi import ErrorHook\n"
            'h = ErrorHook("h", lambda args: False)\n'
            'Thing("a", opts=O(hooks=pulumi.ResourceHookBinding(on_error=[h])))',
            "error hooks",
        ),
        (
            "from pulumi.runtime.settings import get_monitor\n"
            "from pulumi.runtime.proto import resource_pb2\n"
            'Thing("a")\n'
            "get_monitor().RegisterPackage(resource_pb2.RegisterPackageRequest("
            'name="terraform-provider", version="1.0.0"))',
            "parameterized packages",
        ),
        (
            "from pulumi.dynamic import Resource, ResourceProvider\n"
            "class Mine(Resource):\n"
            "    pass\n"
            'Mine(ResourceProvider(), "a", {})',
            "dynamic providers",
        ),
    ],
)
def test_what_is_not_supported_is_refused_by_name(stack: Any, text: str, what: str) -> None:
    stack.program(text)
    with pytest.raises(Unsupported) as caught:
        operations.up(stack.request)
    assert caught.value.summary == f"The embedded engine does not support {what}"
    assert caught.value.exit_code == 2
    assert stack.cloud() == {}


def test_an_unknown_resource_type_is_named_before_anything_is_made(stack: Any) -> None:
    stack.program('Thing("a")\npulumi.CustomResource("fake:index:Nothing", "n", {})')
    with pytest.raises(Unsupported, match="fake:index:Nothing"):
        operations.up(stack.request)
    assert stack.cloud() == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "There is no Pulumi project"),
        ("name: shop\nruntime: nodejs\n", "The runtime of .* is nodejs"),
        ("name: shop\nruntime: [", "is no YAML"),
        ("name: shop\nruntime: python\nmain: nowhere\n", "There is no program in"),
    ],
)
def test_a_project_that_cannot_be_run(stack: Any, content: str, message: str) -> None:
    stack.program("")
    (stack.project_dir / "Pulumi.yaml").write_text(content)
    with pytest.raises(UserError, match=message):
        operations.preview(stack.request)


def test_a_bad_stack_name(stack: Any) -> None:
    stack.configure(stack="../x")
    with pytest.raises(UserError, match="is no name for a stack"):
        operations.preview(stack.request)


def test_an_interrupt_finishes_what_has_begun_and_saves_it(stack: Any) -> None:
    stack.program('a = Thing("a")\nThing("b", of=a.arn)')
    stack.faults(create_a="slow")

    def interrupt() -> None:
        while "create a" not in stack.calls():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(operations.Interrupted):
        operations.up(stack.request, skip_preview=True)
    assert stack.names() == ["a"]
    stack.verify()
    assert [e for e in stack.events if isinstance(e, Diagnostic)] == []
    assert stack.up().changes == {"same": 2, "create": 1}


def test_the_second_interrupt_ends_even_a_provider_that_hangs(stack: Any) -> None:
    stack.program('Thing("a")')
    stack.faults(create_a="hang")

    def interrupt() -> None:
        while "create a" not in stack.calls():
            time.sleep(0.02)
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KitError):
        operations.up(stack.request, skip_preview=True)
    stack.faults()
    stack.up()
    assert len(stack.cloud()) == 1


def test_the_front_door_tells_errors_without_a_traceback(stack: Any) -> None:
    stack.program("1 / 0")
    command = [sys.executable, "-m", "sandbox.engine", "up", "--stack", "dev"]
    paths = ["--project-dir", str(stack.project_dir), "--state-dir", str(stack.state_dir)]
    ended = subprocess.run(
        [*command, *paths],
        cwd=ROOT,
        env={**os.environ, **stack.environment()},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 2
    assert "ZeroDivisionError" in ended.stderr
    assert "Traceback" not in ended.stderr
