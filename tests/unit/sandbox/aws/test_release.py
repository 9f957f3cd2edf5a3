"""The stand-in leans on one release of MiniStack: the one that is installed."""

import ast
import re

from sandbox import tools


def test_the_adapter_is_written_for_the_release_that_is_locked():
    source = (tools.ROOT / "sandbox" / "aws" / "standin" / "emulator.py").read_text()
    locked = (tools.REQUIREMENTS / "ministack.in").read_text()
    (release,) = re.findall(r'^RELEASE = "(.+)"$', source, re.MULTILINE)
    assert f"ministack=={release}\n" in locked


def sources():
    """The modules that run in the emulator."""
    for folder in ("sandbox/aws", "tests/aws"):
        for path in sorted((tools.ROOT / folder).rglob("*.py")):
            yield path.name, path.read_text()


OF_THE_TESTS = "asked.py"
"""Listens to MiniStack's judge of IAM."""


def test_only_the_adapters_import_ministack():
    users = [
        name
        for name, text in sources()
        if re.search(r"^\s*(import|from) ministack", text, re.MULTILINE)
    ]
    assert users == ["emulator.py", "internals.py", OF_THE_TESTS]


def test_private_names_of_ministack_are_used_in_one_module():
    users = {
        name
        for name, text in sources()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute)
        and re.match("_[a-z]", node.attr)
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "proxy"))
    }
    assert users == {"internals.py"}


def test_nothing_of_ministack_is_replaced_outside_of_that_module():
    patterns = (
        r"^\s+(iam_actions|iam_evaluator|router|app|responses|persistence|service\([^)]*\))\.\w+ = "
    )
    users = {name for name, text in sources() if re.search(patterns, text, re.MULTILINE)}
    assert users == {"internals.py", OF_THE_TESTS}
