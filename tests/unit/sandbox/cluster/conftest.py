"""A sandbox's folders, and tools that do nothing, for the tests of its parts."""

from pathlib import Path

import pytest

from sandbox import tools
from sandbox.instance import Instance
from sandbox.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A sandbox that was never started, with its folder below the test's."""
    return Layout(Instance("trial", 5, tmp_path / "root"))


@pytest.fixture
def fake_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Set-up seems to have run: every program is an empty file."""
    monkeypatch.setenv("AERODROME_CACHE", str(tmp_path / "cache"))
    places = (tools.tools_dir, tools.ministack_dir, tools.base_image_dir)
    for place in places:
        place.cache_clear()
    names = [*tools.KUBERNETES_PROGRAMS, "coredns", "pause", "etcd", "containerd", "runc"]
    for name in [*names, "containerd-shim-runc-v2", "docker-registry"]:
        path = tools.tools_dir() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (tools.tools_dir() / "cni").mkdir()
    python = tools.ministack_dir() / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("")
    yield tools.tools_dir()
    for place in places:
        place.cache_clear()
