"""The command line and the sandbox find each other's files: both compute the same two folders.

Neither may import the other (`cli` runs without `sandbox/`, and `sandbox` knows no `cli`), so the
rule is written twice, and compared here.
"""

import os
from collections.abc import Iterator

import pytest

from cli.base import paths
from sandbox import instance


@pytest.fixture(params=[0, 65534], ids=["root", "nobody"])
def user(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.geteuid()
    if before != 0 and request.param != before:
        pytest.skip("only root can act as another user")
    os.seteuid(request.param)
    yield request.param
    os.seteuid(before)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"XDG_STATE_HOME": "/home/somebody/state"},
        {"AERODROME_STATE": "/given/state", "AERODROME_CACHE": "/given/cache"},
        {"AERODROME_STATE": "", "AERODROME_CACHE": "", "XDG_STATE_HOME": ""},
    ],
    ids=["defaults", "XDG", "variables", "empty"],
)
def test_both_have_the_same_folders(
    user: int, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AERODROME_STATE", "AERODROME_CACHE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/somebody", **variables}.items():
        monkeypatch.setenv(name, value)
    assert paths.state_dir() == instance.state_dir()
    assert paths.cache_dir() == instance.cache_dir()
