"""The stand-in leans on one release of MiniStack: the one that is installed."""

import re

from sandbox import tools


def test_the_adapter_is_written_for_the_release_that_is_locked():
    source = (tools.ROOT / "sandbox" / "aws" / "standin" / "emulator.py").read_text()
    locked = (tools.REQUIREMENTS / "ministack.in").read_text()
    (release,) = re.findall(r'^RELEASE = "(.+)"$', source, re.MULTILINE)
    assert f"ministack=={release}\n" in locked


def test_only_the_adapter_imports_ministack():
    folder = tools.ROOT / "sandbox" / "aws"
    users = [
        path.name
        for path in folder.rglob("*.py")
        if re.search(r"^\s*(import|from) ministack", path.read_text(), re.MULTILINE)
    ]
    assert users == ["emulator.py"]
