"""What the prose names exists: paths, commands and their options, make targets."""

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.app import app

ROOT = Path(__file__).resolve().parent.parent

DOCUMENTS = [
    path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
]

FENCE = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)")
COMMAND = re.compile(r"(?:^|(?<=[\s`(=]))(?:\./)?aerodrome (?P<words>[a-z-][^`#\n|&;>)]*)")
MAKE = re.compile(r"(?:^|[`(] ?|^ +)make(?: -C \S+)? (?P<target>[a-z][a-z-]*)", re.MULTILINE)
PYTHON_MODULE = re.compile(r"python3? -m ((?:cli|sandbox|infra|tests)[\w.]*)")
PLACEHOLDER = re.compile(r"[A-Z]{3,}|[<{*]|\.\.\.")
TOP = {path.name for path in ROOT.iterdir()} - {".venv", ".git"}


def _text(document: str) -> str:
    return (ROOT / document).read_text()


def _code(text: str) -> list[str]:
    """What is set as code, a line each: inline, fenced and indented."""
    fenced = [line for block in FENCE.findall(text) for line in block.splitlines()[1:-1]]
    indented = [line for line in text.splitlines() if line.startswith("    ")]
    return [*INLINE.findall(FENCE.sub("", text)), *fenced, *indented]


def _paths(text: str) -> set[str]:
    found = set()
    for piece in INLINE.findall(FENCE.sub("", text)):
        for word in piece.split():
            name = word.strip("(),.:;'\"").split(":")[0]
            first = name.removeprefix("./").split("/")[0]
            looks_like_one = "/" in name or Path(name).suffix in (".md", ".py", ".toml", ".yaml")
            if looks_like_one and first in TOP and not PLACEHOLDER.search(name):
                found.add(name.removeprefix("./").rstrip("/"))
    return found


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_exists(document: str) -> None:
    missing = [name for name in _paths(_text(document)) if not (ROOT / name).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_test_that_is_named_exists(document: str) -> None:
    named = set(re.findall(r"(tests/[\w/]+\.py)::(\w+)", _text(document)))
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not re.search(rf"^ *(def|class) {name}\b", (ROOT / file).read_text(), re.MULTILINE)
    ]
    assert not missing


def test_every_line_of_the_threat_model_names_a_test() -> None:
    rows = [line for line in _text("docs/security.md").splitlines() if line.startswith("| ")]
    heads = [line for line in rows if line.endswith("| test |")]
    assert len(heads) >= 5
    assert [line for line in rows if line not in heads and "::test_" not in line] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    links = [link for link in LINK.findall(_text(document)) if "://" not in link]
    missing = [link for link in links if not ((ROOT / document).parent / link).exists()]
    assert not missing


@cache
def _targets() -> frozenset[str]:
    makefile = (ROOT / "Makefile").read_text()
    return frozenset(re.findall(r"^([a-z][\w-]*):", makefile, re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_exists(document: str) -> None:
    lines = "\n".join(_code(_text(document)))
    named = {found.group("target") for found in MAKE.finditer(lines)}
    assert not named - _targets()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_module_that_is_run_exists(document: str) -> None:
    for name in PYTHON_MODULE.findall(_text(document)):
        path = ROOT / name.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), name


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_exists_with_its_options(document: str) -> None:
    root = typer.main.get_command(app)
    for line in _code(_text(document)):
        if line.lstrip().startswith(("Usage:", "Try ")):
            continue
        for found in COMMAND.finditer(line):
            problem = _problem(root, shlex.split(found.group("words").replace("'", "")))
            assert not problem, f"{line.strip()}: {problem}"


def _problem(command: Any, words: list[str]) -> str:
    """Why the words after `aerodrome` make no command; empty if they do."""
    options = {"--help", "-h"} | _options(command)
    # After `--` come the words of another program.
    for word in words[: words.index("--")] if "--" in words else words:
        inner = getattr(command, "commands", None)
        if word.startswith("-") and word.split("=")[0] not in options:
            return f"no option {word}"
        if word.startswith("-") or inner is None or PLACEHOLDER.search(word):
            continue
        names = word.split("|")
        if missing := [name for name in names if name not in inner]:
            return f"no command {missing[0]}"
        command = inner[names[0]]
        options |= _options(command)
    return ""


def _options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("up --env NAME", ""),
        ("exec -- airflow --version", ""),
        ("exec --nope -- airflow --version", "no option --nope"),
        ("sandbox up|down", ""),
        ("config set nodeMax 6 --secret", ""),
        ("upp", "no command upp"),
        ("up --nope", "no option --nope"),
    ],
)
def test_the_check_itself(words: str, problem: str) -> None:
    assert _problem(typer.main.get_command(app), words.split()) == problem


def test_there_are_documents() -> None:
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/cli.md"} <= set(DOCUMENTS)
