"""A state file that cannot be gone on with is named, before anything is changed."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.base.errors import UserError
from cli.stack import checkpoint


def write(folder: Path, urn: str) -> Path:
    resources = [{"urn": urn, "type": "aws:s3/bucket:Bucket", "id": "logs"}]
    document: Any = {"version": 3, "checkpoint": {"latest": {"resources": resources}}}
    file = folder / "dev.json"
    file.write_text(json.dumps(document))
    return file


def test_it_is_read_as_pulumi_exports_it(tmp_path: Path) -> None:
    file = write(tmp_path, "urn:pulumi:dev::aerodrome::aws:s3/bucket:Bucket::logs")
    found = checkpoint.read(file, "dev")
    assert found["version"] == 3
    assert found["deployment"]["resources"][0]["id"] == "logs"


def test_an_absent_one_is_an_empty_stack(tmp_path: Path) -> None:
    found = checkpoint.read(tmp_path / "dev.json", "dev")
    assert found == {"version": 3, "deployment": {}}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 3}'])
def test_a_damaged_one(tmp_path: Path, text: str) -> None:
    file = tmp_path / "dev.json"
    file.write_text(text)
    with pytest.raises(UserError, match=r"dev\.json is damaged") as refused:
        checkpoint.read(file, "dev")
    assert "dev.json.bak" in refused.value.detail


@pytest.mark.parametrize(
    "urn", ["urn:pulumi:prod::aerodrome::a:b:C::d", "urn:pulumi:dev::shop::a:b:C::d", "nonsense"]
)
def test_one_of_another_stack_or_project(tmp_path: Path, urn: str) -> None:
    with pytest.raises(UserError, match="belongs to another stack"):
        checkpoint.read(write(tmp_path, urn), "dev")


def test_a_run_that_the_former_engine_did_not_finish(tmp_path: Path) -> None:
    file = write(tmp_path, "urn:pulumi:dev::aerodrome::aws:s3/bucket:Bucket::logs")
    (tmp_path / "dev.journal").write_text("{}\n")
    with pytest.raises(UserError, match="older version of Aerodrome was interrupted"):
        checkpoint.read(file, "dev")
