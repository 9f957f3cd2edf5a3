"""Names by content: they change with what decides the content, and with nothing else."""

import re
from pathlib import Path

import pytest

from sandbox import instance, tools
from sandbox.errors import UserError


def test_a_digest_changes_with_names_and_contents(tmp_path: Path) -> None:
    file = tmp_path / "go.mod"
    file.write_text("require a")
    before = tools.digest(tmp_path, "runc")
    assert tools.digest(tmp_path, "runc") == before
    assert tools.digest(tmp_path, "crun") != before
    file.write_text("require b")
    changed = tools.digest(tmp_path, "runc")
    assert changed != before
    file.rename(tmp_path / "go.sum")
    assert tools.digest(tmp_path, "runc") != changed


def test_the_cluster_has_the_version_that_the_go_module_builds() -> None:
    assert re.fullmatch(r"v\d+\.\d+\.\d+", tools.kubernetes_version())
    assert tools.kubernetes_version().startswith(f"v{instance.KUBERNETES_VERSION}.")


def test_a_tool_that_is_not_there_names_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AERODROME_CACHE", str(tmp_path))
    tools.tools_dir.cache_clear()
    try:
        with pytest.raises(UserError) as missing:
            tools.tool("helm")
        assert missing.value.summary == "helm is not on this machine yet"
        assert missing.value.command == "make setup"
    finally:
        tools.tools_dir.cache_clear()
