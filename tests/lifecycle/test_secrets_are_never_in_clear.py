"""Secrets: encrypted in state and journal, hidden in events, errors and results."""

import json
from dataclasses import replace
from typing import Any

import pytest

from sandbox.engine import operations
from sandbox.engine.display import Display
from sandbox.errors import UserError
from sandbox.wire.values import Secret

HUSH = "open-sesame-42"
PROGRAM = f"""
a = Thing("a", key=pulumi.Output.secret("{HUSH}"), inner={{"x": pulumi.Output.secret("{HUSH}")}})
pulumi.export("key", a.key)
pulumi.export("password", a.password)
"""


def test_neither_state_nor_events_hold_them(stack: Any) -> None:
    stack.up(PROGRAM, skip_preview=False)
    stack.up(PROGRAM.replace('Thing("a",', 'Thing("a", size=1,'), skip_preview=False)
    assert HUSH not in stack.all_state_text()
    assert HUSH not in repr(stack.events)
    assert "pw-id" not in stack.all_state_text()
    # The cloud itself has to know.
    assert HUSH in json.dumps(stack.cloud())


def test_a_reader_with_the_passphrase_gets_them(stack: Any) -> None:
    stack.up(PROGRAM)
    outputs = operations.outputs(stack.request)
    assert outputs["key"] == Secret(HUSH)
    assert outputs["password"].value.startswith("pw-id-a")


def test_a_wrong_passphrase_is_refused_before_anything_is_changed(stack: Any) -> None:
    stack.up(PROGRAM)
    before = stack.document()
    wrong = {**stack.request.environment, "PULUMI_CONFIG_PASSPHRASE": "wrong"}
    stack.configure(environment=wrong)
    for operation in (operations.preview, operations.up, operations.destroy, operations.outputs):
        with pytest.raises(UserError, match="Wrong passphrase"):
            operation(stack.request)
    assert stack.document() == before


def test_a_missing_passphrase_is_named(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    environment = dict(stack.request.environment)
    del environment["PULUMI_CONFIG_PASSPHRASE"]
    stack.configure(environment=environment)
    stack.program('Thing("a")')
    with pytest.raises(UserError, match="passphrase is needed"):
        operations.up(stack.request)


def test_a_passphrase_file_will_do(
    stack: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    stack.up(PROGRAM)
    environment = dict(stack.request.environment)
    (tmp_path / "secret.txt").write_text(environment.pop("PULUMI_CONFIG_PASSPHRASE") + "\n")
    environment["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(tmp_path / "secret.txt")
    stack.configure(environment=environment)
    assert operations.outputs(stack.request)["key"] == Secret(HUSH)


def test_a_diff_shows_that_a_secret_changed_and_not_what_it_is(
    stack: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    stack.up(PROGRAM)
    stack.program(PROGRAM.replace("open-sesame", "close-sesame"))
    operations.preview(stack.request, Display(sys.stdout, diff=True))
    shown = capsys.readouterr().out
    assert "~ key: [secret] => [secret]" in shown
    assert "sesame" not in shown


def test_secret_configuration_reaches_the_program_and_no_message(stack: Any) -> None:
    stack.program(
        """
        value = pulumi.Config().require_secret("token")
        Thing("a", key=value)
        value.apply(lambda v: pulumi.log.warn(f"the token is {v}"))
        """
    )
    stack.configure(secret_config={"token": HUSH})
    stack.up()
    assert HUSH in json.dumps(stack.cloud())
    assert HUSH not in repr(stack.events)
    assert HUSH not in stack.all_state_text()


def test_an_error_does_not_tell_a_secret(stack: Any) -> None:
    stack.program(
        f'pulumi.Config().require_secret("token").apply(lambda v: 1 / 0 if v else v)\nraise ValueError("{HUSH}")'
    )
    stack.configure(secret_config={"token": HUSH})
    with pytest.raises(UserError) as caught:
        operations.up(stack.request, stack.events.append)
    assert HUSH not in str(caught.value)
    assert HUSH not in repr(stack.events)


def test_config_is_written_and_read_as_pulumi_does(stack: Any, tmp_path: Any) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    operations.encrypt_config("pass", file, {"shop:token": HUSH})
    operations.set_config(stack.project_dir, "dev", file, "size", "7")
    text = file.read_text()
    assert HUSH not in text
    assert "encryptionsalt: v1:" in text
    assert "secure: v1:" in text
    config = operations.read_config(stack.project_dir, "dev", file, "pass")
    assert config.values == {"shop:token": HUSH, "shop:size": "7"}
    assert config.secret_keys == {"shop:token"}
    assert replace(stack.request, config_file=file).config_file == file
