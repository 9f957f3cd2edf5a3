"""The files of a stack: Pulumi's layout, damage noticed, one engine at a time."""

import json
import multiprocessing
import os
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sandbox.engine import operations
from sandbox.errors import KitError, UserError


def test_the_layout_is_that_of_pulumis_file_backend(stack: Any) -> None:
    stack.up('Thing("a")\npulumi.export("x", 1)')
    root = stack.state_dir / ".pulumi"
    assert (root / "meta.yaml").read_text() == "version: 1\n"
    document = json.loads((root / "stacks" / "shop" / "dev.json").read_text())
    assert document["version"] == 3
    assert document["checkpoint"]["stack"] == "organization/shop/dev"
    latest = document["checkpoint"]["latest"]
    assert latest["secrets_providers"]["type"] == "passphrase"
    first = latest["resources"][0]
    assert first["urn"] == "urn:pulumi:dev::shop::pulumi:pulumi:Stack::shop-dev"
    assert first["type"] == "pulumi:pulumi:Stack"
    assert first["custom"] is False
    assert first["outputs"] == {"x": 1}
    thing = next(r for r in latest["resources"] if r["type"] == "fake:index:Thing")
    assert thing["parent"] == first["urn"]
    assert thing["provider"].startswith(
        "urn:pulumi:dev::shop::pulumi:providers:fake::default_1_2_3::"
    )
    assert stat.S_IMODE((root / "stacks" / "shop" / "dev.json").stat().st_mode) == 0o600


def test_nothing_is_left_beside_the_checkpoint(stack: Any) -> None:
    stack.up('Thing("a")')
    stack.up('Thing("a", size=1)')
    pulumi = stack.state_dir / ".pulumi"
    files = sorted(p.name for p in pulumi.rglob("*") if p.is_file() and p.parent.name != "dev")
    assert files == ["dev.json", "dev.json.bak", "meta.yaml"]
    # Two runs, each with its history, its state, and that once more.
    assert len(list((pulumi / "history" / "shop" / "dev").iterdir())) == 4
    assert len(list((pulumi / "backups" / "shop" / "dev").iterdir())) == 2
    assert not list((pulumi / "locks" / "organization" / "shop" / "dev").iterdir())


def test_export_and_import(stack: Any) -> None:
    stack.up('Thing("a", key=pulumi.Output.secret("hidden-value"))')
    exported = operations.export(stack.request)
    assert "hidden-value" not in json.dumps(exported)
    (stack.state_dir / ".pulumi" / "stacks" / "shop" / "dev.json").unlink()
    operations.import_(stack.request, exported)
    assert stack.up().changes == {"same": 2}


def test_a_stack_is_removed_with_its_history_and_not_while_it_holds_resources(stack: Any) -> None:
    stack.up('Thing("a")')
    with pytest.raises(UserError, match="still holds resources"):
        operations.remove(stack.request)
    assert stack.up().changes == {"same": 2}
    operations.destroy(stack.request)
    operations.remove(stack.request)
    left = [path for path in (stack.state_dir / ".pulumi").rglob("*") if path.is_file()]
    assert [path.name for path in left] == ["meta.yaml"]
    operations.remove(stack.request)


def test_importing_another_stacks_state_is_refused(stack: Any) -> None:
    stack.up('Thing("a")')
    exported = json.loads(json.dumps(operations.export(stack.request)).replace("::shop::", "::x::"))
    with pytest.raises(UserError, match="belongs to another stack"):
        operations.import_(stack.request, exported)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "is damaged"),
        (lambda text: "[]", "is damaged"),
        (lambda text: text.replace('"version":3', '"version":4'), "has version 4"),
        (lambda text: text.replace("::shop::", "::other::"), "belongs to another stack"),
        (lambda text: text.replace('"urn":', '"nru":'), "is damaged"),
    ],
)
def test_a_damaged_state_file_is_refused_and_left_alone(
    stack: Any, damage: Any, message: str
) -> None:
    stack.up('Thing("a")')
    path = stack.state_dir / ".pulumi" / "stacks" / "shop" / "dev.json"
    damaged = damage(path.read_text())
    path.write_text(damaged)
    for operation in (operations.preview, operations.up, operations.destroy, operations.outputs):
        with pytest.raises(UserError, match=message):
            operation(stack.request)
    assert path.read_text() == damaged
    assert len(stack.cloud()) == 1


def test_the_second_engine_is_told_who_holds_the_lock(stack: Any) -> None:
    stack.program('Thing("a")')
    stack.faults(create_a="slow")
    first = threading.Thread(target=lambda: operations.up(stack.request, skip_preview=True))
    first.start()
    while "create a" not in stack.calls():
        time.sleep(0.01)
    with pytest.raises(UserError) as caught:
        operations.destroy(stack.request)
    first.join()
    assert caught.value.summary == "The stack shop/dev is locked"
    assert f"Process {os.getpid()} of " in caught.value.detail
    assert "has been at work on it since 20" in caught.value.detail
    assert caught.value.command == f"kill -INT {os.getpid()}"
    stack.destroy()


def test_a_lock_of_pulumis_own_cli_counts(stack: Any) -> None:
    stack.program("")
    folder = stack.state_dir / ".pulumi" / "locks" / "organization" / "shop" / "dev"
    folder.mkdir(parents=True)
    lock = folder / "0c1d.json"
    lock.write_text('{"pid": 1, "username": "ann", "hostname": "far", "timestamp": "2026-01-01"}')
    with pytest.raises(UserError, match="ann on far") as caught:
        operations.up(stack.request)
    assert str(lock) in caught.value.detail
    lock.unlink()
    stack.up()


def test_the_lock_of_a_killed_engine_does_not_last(stack: Any) -> None:
    from sandbox.engine.state.lock import hold
    from sandbox.engine.state.store import StackStore

    store = StackStore(stack.state_dir, "shop", "dev")

    def take_and_die() -> None:
        context = hold(store)
        context.__enter__()
        os._exit(9)

    process = multiprocessing.get_context("fork").Process(target=take_and_die)
    process.start()
    process.join()
    assert list(store.lock_dir.iterdir())
    stack.up("")


def test_a_folder_that_cannot_be_written(stack: Any) -> None:
    stack.program('Thing("a")')
    stack.state_dir.write_text("a file where the folder should be")
    with pytest.raises(KitError, match=r"cannot be (written|read)"):
        operations.up(stack.request)
    assert stack.cloud() == {}


def test_a_full_disk_keeps_the_state_whole(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.up('Thing("a")')
    before = stack.document()
    write = os.write

    def full(handle: int, data: Any) -> int:
        if b'"intend"' in bytes(data):
            raise OSError(28, "No space left on device")
        return write(handle, data)

    stack.program('Thing("a")\nThing("b")')
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(KitError, match="No space left on device"):
        operations.up(stack.request, skip_preview=True)
    monkeypatch.undo()
    assert stack.calls("create") == ["create a"]
    assert (
        stack.document()["checkpoint"]["latest"]["resources"]
        == before["checkpoint"]["latest"]["resources"]
    )
    stack.up()
    assert stack.names() == ["a", "b"]


def test_a_journal_that_was_cut_short_in_its_last_line(stack: Any) -> None:
    stack.up('Thing("a")')
    path: Path = stack.state_dir / ".pulumi" / "stacks" / "shop" / "dev.journal"
    from hashlib import sha256

    digest = sha256(path.with_suffix(".json").read_bytes()).hexdigest()
    path.write_text(json.dumps({"base": digest}) + '\n{"drop": 1, "int')
    assert stack.names() == ["a"]


def test_a_journal_that_was_folded_already_is_passed_over(stack: Any) -> None:
    stack.up('Thing("a")')
    path: Path = stack.state_dir / ".pulumi" / "stacks" / "shop" / "dev.journal"
    path.write_text('{"base": "of an older checkpoint"}\n{"drop": 1}\n')
    assert stack.up().changes == {"same": 2}
    assert not path.exists()
