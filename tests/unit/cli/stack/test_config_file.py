"""Pulumi's configuration file, with keys of this version and of the one before."""

from pathlib import Path

import pytest

from cli.base.errors import UserError
from cli.stack import config_file

FORMER = """# Ours.
secretsprovider: awskms://alias/aerodrome-dev
config:
  aerodrome:environment: dev-x
  # What it stands on:
  aerodrome:rung: shared
  aerodrome:adminPassword:
    secure: abc
  aerodrome:spot: true
  rung-like: x
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "Pulumi.dev-x.yaml"
    file.write_text(FORMER)
    return file


def test_a_former_key_is_read_by_its_new_name(file: Path) -> None:
    plain = config_file.plain(config_file.read(file))
    assert plain["aerodrome:tenancy"] == "shared"
    assert "aerodrome:rung" not in plain
    assert plain["aerodrome:spot"] == "true"
    assert "aerodrome:adminPassword" not in plain


def test_a_former_key_is_written_anew_and_nothing_else_changes(file: Path) -> None:
    (warning,) = config_file.rename_former_keys(file)
    assert "aerodrome:rung is called aerodrome:tenancy now" in warning
    assert file.read_text() == FORMER.replace("aerodrome:rung", "aerodrome:tenancy")
    assert config_file.rename_former_keys(file) == []


@pytest.mark.parametrize("key", ["rung", '"aerodrome:rung"', "'aerodrome:rung'"])
def test_a_key_may_be_quoted_or_have_no_namespace(key: str, file: Path) -> None:
    file.write_text(f"config:\n  {key}: shared\n")
    assert len(config_file.rename_former_keys(file)) == 1
    assert config_file.read(file) == {"aerodrome:tenancy": "shared"}


def test_both_names_of_a_key_are_refused(file: Path) -> None:
    file.write_text("config:\n  aerodrome:rung: shared\n  aerodrome:tenancy: shared\n")
    for ask in (config_file.read, config_file.rename_former_keys):
        with pytest.raises(UserError, match="aerodrome:rung and aerodrome:tenancy are both set"):
            ask(file)
    assert "rung" in file.read_text()


def test_no_file_says_nothing(tmp_path: Path) -> None:
    assert config_file.read(tmp_path / "none.yaml") == {}
    assert config_file.rename_former_keys(tmp_path / "none.yaml") == []
