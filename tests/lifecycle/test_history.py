"""What was done to a stack, run by run, in the form of Pulumi's file backend."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from sandbox.engine import operations
from sandbox.engine.applying.events import Diagnostic
from sandbox.engine.state import history
from sandbox.errors import KitError

HUSH = "open-sesame-42"


def folder(stack: Any, kind: str = "history") -> Path:
    path: Path = stack.state_dir / ".pulumi" / kind / "shop" / "dev"
    return path


def test_every_run_is_written_down(stack: Any) -> None:
    before = int(time.time())
    stack.up('Thing("a")', config={"size": "7"}, secret_config={"token": HUSH})
    stack.refresh()
    stack.destroy()
    runs = operations.history(stack.request)
    assert [run["kind"] for run in runs] == ["destroy", "refresh", "update"]
    assert [run["version"] for run in runs] == [3, 2, 1]
    assert {run["result"] for run in runs} == {"succeeded"}
    assert runs[2]["resourceChanges"] == {"create": 2}
    assert runs[0]["resourceChanges"] == {"delete": 2}
    for run in runs:
        assert before <= run["startTime"] <= run["endTime"] <= time.time()
        assert isinstance(run["environment"], dict)
    config = runs[2]["config"]
    assert config["shop:size"] == "7"
    assert config["shop:token"].keys() == {"secure"}
    assert config["shop:token"]["secure"].startswith("v1:")
    assert HUSH not in stack.all_state_text()


def test_the_files_are_pulumis(stack: Any) -> None:
    stack.up('Thing("a")')
    (record,) = folder(stack).glob("*.history.json")
    name, _, stamp = record.name.removesuffix(".history.json").rpartition("-")
    assert name == "dev"
    assert abs(int(stamp) / 1e9 - time.time()) < 60
    # What `pulumi stack history` reads; the number is counted, not stored.
    assert json.loads(record.read_text()).keys() == {
        *("kind", "startTime", "message", "environment", "config", "result", "endTime"),
        "resourceChanges",
    }
    state = (stack.state_dir / ".pulumi" / "stacks" / "shop" / "dev.json").read_bytes()
    assert (folder(stack) / f"dev-{stamp}.checkpoint.json").read_bytes() == state
    assert (folder(stack, "backups") / f"dev.{stamp}.json").read_bytes() == state


def test_a_failed_run_is_there_with_what_it_did(stack: Any) -> None:
    stack.faults(create_b="fail")
    with pytest.raises(KitError):
        stack.up('a = Thing("a")\nThing("b", of=a.arn)')
    (run,) = operations.history(stack.request)
    assert run["result"] == "failed"
    assert run["resourceChanges"] == {"create": 2}


def test_a_preview_leaves_nothing(stack: Any) -> None:
    stack.program('Thing("a")')
    stack.preview()
    assert operations.history(stack.request) == []
    assert not stack.state_dir.exists()


@pytest.mark.parametrize("skip_preview", [True, False])
def test_a_run_that_changes_nothing_costs_no_second_copy(stack: Any, skip_preview: bool) -> None:
    stack.up('Thing("a")')
    stack.up(skip_preview=skip_preview)
    (older, newer) = sorted(folder(stack).glob("*.checkpoint.json"))
    assert older.samefile(newer)
    assert operations.history(stack.request)[0]["resourceChanges"] == {"same": 2}


def test_the_past_does_not_change_with_the_state(stack: Any) -> None:
    stack.up('Thing("a")')
    (copy,) = folder(stack).glob("*.checkpoint.json")
    before = copy.read_text()
    state = stack.state_dir / ".pulumi" / "stacks" / "shop" / "dev.json"
    state.write_text(state.read_text().replace('"version":3', '"version": 3'))
    stack.up('Thing("a", size=2)')
    assert copy.read_text() == before


def test_it_does_not_grow_without_end(stack: Any) -> None:
    stack.up('Thing("a")')
    store = operations.Operation(stack.request, lambda event: None).store
    for number in range(history.KEPT + 3):
        history.add(store, history.Entry("update", {}, changes={"same": number}))
    runs = operations.history(stack.request)
    assert len(runs) == history.KEPT
    assert runs[0]["resourceChanges"] == {"same": history.KEPT + 2}
    assert len(list(folder(stack).iterdir())) == 2 * history.KEPT
    assert len(list(folder(stack, "backups").iterdir())) == history.KEPT


def test_half_a_record_is_passed_over(stack: Any) -> None:
    stack.up('Thing("a")')
    (folder(stack) / "dev-1.history.json").write_text('{"kind": "upd')
    assert len(operations.history(stack.request)) == 1


def test_a_history_that_cannot_be_written_does_not_fail_the_run(stack: Any) -> None:
    stack.up('Thing("a")')
    operations_folder = stack.state_dir / ".pulumi" / "backups"
    for path in sorted(operations_folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    operations_folder.rmdir()
    operations_folder.write_text("no folder")
    assert stack.up('Thing("a", size=2)').changes == {"same": 1, "update": 1}
    (warning,) = [event for event in stack.events if isinstance(event, Diagnostic)]
    assert warning.message.startswith("This run is missing in the stack's history")
    assert stack.resource("a").inputs["size"] == 2
