"""Where uv comes from: the cache, the PATH, or its locked requirement."""

from pathlib import Path

import pytest

from cli.base import uv as module
from cli.base.errors import UserError
from cli.base.uv import uv

VERSION = module._wanted()


def program(path: Path, version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho 'uv {version} (x86_64-unknown-linux-gnu)'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and nothing on the PATH but what is there anyway."""
    monkeypatch.setenv("AERODROME_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    return tmp_path / "cache"


def test_what_set_up_installed_is_taken(cache: Path) -> None:
    program(cache / "uv" / "0000" / "bin" / "uv", "0.0.1")
    right = program(cache / "uv" / "1111" / "bin" / "uv", VERSION)
    assert uv() == right


def test_the_path_serves_with_the_right_version(cache: Path, tmp_path: Path) -> None:
    assert uv_on_path(tmp_path, VERSION) == uv()


def uv_on_path(tmp_path: Path, version: str) -> Path:
    return program(tmp_path / "path" / "uv", version)


def test_without_an_index_it_is_said_what_to_do(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uv_on_path(tmp_path, "0.0.1")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(UserError, match=f"uv {VERSION} is not on this machine") as caught:
        uv()
    assert caught.value.command == f"python3 -m pip install uv=={VERSION}"
    assert not list((cache / "uv").iterdir())
