"""The tree keeps its shape: sizes, names, what may not be in a file, what must be executable."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LONGEST_MODULE = 600
LONGEST_FUNCTION = 80

REGISTRY_HOSTS = re.compile(
    r"(pypi\.org|pythonhosted\.org|proxy\.golang\.org|sum\.golang\.org|registry\.npmjs\.org"
    r"|crates\.io|deb\.debian\.org|security\.debian\.org|repo1?\.maven\.org|index\.docker\.io)"
)
MAY_NAME_HOSTS = {"tests/test_layout.py"}

SHARED_FOLDERS = {"/", "/home", "/mnt", "/opt", "/srv", "/tmp", "/usr", "/var", "/var/tmp"}
"""Folders that every machine has: one below them may be somebody's, they themselves are not."""


@cache
def tracked() -> tuple[str, ...]:
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in done.stdout.split("\0") if name]
    return tuple(name for name in names if (ROOT / name).is_file())


def machine_paths() -> re.Pattern[str]:
    """The places of this checkout, its user and its environment: the paths that slip into a file."""
    done = subprocess.run(
        ["git", "rev-parse", "--path-format=absolute", "--git-common-dir"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    main, environment = Path(done.stdout.strip()).parent, Path(sys.prefix).resolve()
    own = {_own_part(place) for place in (Path.home(), ROOT, main, environment)}
    return re.compile(r"(?<![\w.$}~])(" + "|".join(map(re.escape, sorted(own))) + ")/")


def _own_part(place: Path) -> str:
    """The outermost folder of a path that not every machine has: its neighbours are private, too."""
    return next(
        str(part) for part in (*reversed(place.parents), place) if str(part) not in SHARED_FOLDERS
    )


def python_files() -> list[str]:
    return [name for name in tracked() if name.endswith(".py")]


def texts() -> Iterator[tuple[str, str]]:
    for name in tracked():
        try:
            yield name, (ROOT / name).read_text()
        except UnicodeDecodeError:
            continue


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text(), name)


def test_there_is_something_to_look_at() -> None:
    assert len(python_files()) > 50


def test_no_module_is_longer_than_the_limit() -> None:
    long = {
        name: lines
        for name in python_files()
        if (lines := len((ROOT / name).read_text().splitlines())) > LONGEST_MODULE
    }
    assert not long


def test_no_function_is_longer_than_the_limit() -> None:
    long = {
        f"{name}:{node.lineno} {node.name}": length
        for name in python_files()
        for node in ast.walk(tree_of(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    }
    assert not long


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name
        for name in python_files()
        if (ROOT / name).stat().st_size and ast.get_docstring(tree_of(name)) is None
    ]
    assert not silent


@pytest.mark.parametrize("package", ["infra"])
def test_no_module_hides_one_of_the_standard_library(package: str) -> None:
    # Pulumi's host puts the program's folder first on sys.path: infra/secrets.py would be
    # `secrets` for everyone.
    names = {path.stem for path in (ROOT / package).iterdir()}
    assert not names & set(sys.stdlib_module_names)


@pytest.mark.parametrize("package", ["cli", "infra", "sandbox"])
def test_a_class_name_means_one_thing_in_a_package(package: str) -> None:
    places: dict[str, list[str]] = {}
    for name in python_files():
        for node in tree_of(name).body if name.startswith(f"{package}/") else ():
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(name)
    assert not {name: files for name, files in places.items() if len(files) > 1}


def test_the_shared_facts_import_the_standard_library_and_themselves() -> None:
    # Whatever else they imported, every start of the command line would wait for.
    imported = {
        name
        for file in python_files()
        if file.startswith("infra/contract/")
        for node in ast.walk(tree_of(file))
        for name in _imported(node)
    }
    own = {name for name in imported if name.startswith("infra.contract")}
    assert own
    assert {name.split(".")[0] for name in imported - own} <= set(sys.stdlib_module_names)


def _imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom():
            return [node.module or ""]
    return []


def _holds_tests(name: str) -> bool:
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        for node in tree_of(name).body
    )


def test_every_file_with_tests_is_collected() -> None:
    lost = [
        name
        for name in python_files()
        if not Path(name).name.startswith("test_") and _holds_tests(name)
    ]
    assert not lost


def test_tests_are_where_they_are_looked_for() -> None:
    outside = [
        name
        for name in python_files()
        if Path(name).name.startswith("test_") and not name.startswith(("tests/", "charts/"))
    ]
    assert not outside


def test_no_file_names_a_package_registry() -> None:
    named = {
        f"{name}: {found.group()}"
        for name, text in texts()
        if name not in MAY_NAME_HOSTS and (found := REGISTRY_HOSTS.search(text))
    }
    assert not named


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    pattern = machine_paths()
    named = {
        f"{name}: {found.group()}" for name, text in texts() if (found := pattern.search(text))
    }
    assert not named


def test_a_path_of_this_machine_would_be_found() -> None:
    pattern = machine_paths()
    for place in (ROOT, Path.home()):
        assert pattern.search(f'NOTES = "{place}/notes.txt"')
    assert not pattern.search("cp $ROOT/tmp/x /etc/hosts ~/.cache")


def test_scripts_can_be_run() -> None:
    scripts = [name for name, text in texts() if text.startswith("#!")]
    assert "aerodrome" in scripts
    not_executable = [name for name in scripts if not (ROOT / name).stat().st_mode & 0o100]
    assert not not_executable


def test_only_scripts_can_be_run() -> None:
    executable = [
        name
        for name, text in texts()
        if (ROOT / name).stat().st_mode & 0o100 and not text.startswith("#!")
    ]
    assert not executable


def test_nothing_patches() -> None:
    # ruff bans the import; this bans the fixture's way of doing the same to our own modules.
    patching = re.compile(
        r"from unittest import mock|mocker\.patch|monkeypatch\.setattr\(\"(cli|sandbox|infra)"
    )
    assert not [
        name for name, text in texts() if name != "tests/test_layout.py" and patching.search(text)
    ]


def test_import_contracts_name_modules_that_exist() -> None:
    import tomllib

    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = document["tool"]["importlinter"]["contracts"]
    assert len(contracts) >= 3
    keys = ("source_modules", "forbidden_modules", "modules", "containers")
    names = {name for contract in contracts for key in keys for name in contract.get(key, [])}
    missing = [
        name
        for name in names
        if name.split(".")[0] in ("cli", "infra", "sandbox")
        and "*" not in name
        and not (ROOT / name.replace(".", "/")).is_dir()
        and not (ROOT / f"{name.replace('.', '/')}.py").is_file()
    ]
    assert not missing
