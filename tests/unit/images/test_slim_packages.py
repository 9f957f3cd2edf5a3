"""What the image leaves out of the installed packages: on a folder with a compiled module of this Python's own."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.unit.images.loading import IMAGES

SCRIPT = IMAGES / "airflow" / "slim_packages.py"


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "site-packages"
    for name in (
        "kubernetes/aio/client.py",
        "kubernetes/client/api.py",
        "numbers/tests/test_one.py",
        "numbers/fast.pyx",
        "numbers/fast.pyi",
        "numbers/fast.py",
        "airflow/sdk/test/real.py",
        "test/real.py",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x = 1\n")
    return folder


def slimmed(packages: Path, strip: str = "strip") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(SCRIPT), str(packages), strip]
    return subprocess.run(command, capture_output=True, text=True)


def names(packages: Path) -> set[str]:
    return {p.relative_to(packages).as_posix() for p in packages.rglob("*") if p.is_file()}


def test_what_runs_stays(packages: Path) -> None:
    ran = slimmed(packages)
    assert ran.returncode == 0, ran.stderr
    assert names(packages) == {
        "kubernetes/client/api.py",
        "numbers/fast.py",
        "airflow/sdk/test/real.py",
        "test/real.py",
    }


def compiled(path: Path, *options: str) -> Path:
    """A shared library with a debugger's tables."""
    source = path.with_suffix(".source.c")
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text("int answer(void) { return 42; }\n")
    command = ["cc", "-g", "-shared", "-fPIC", *options, "-o", str(path), str(source)]
    subprocess.run(command, check=True)
    source.unlink()
    return path


@pytest.mark.skipif(
    not shutil.which("cc") or not shutil.which("strip"), reason="there is no compiler here"
)
class TestCompiledModules:
    SUFFIX = str(sysconfig.get_config_var("EXT_SUFFIX"))

    def test_debug_information_goes_and_the_code_stays(self, packages: Path) -> None:
        module = compiled(packages / "numbers" / f"fast{self.SUFFIX}")
        library = compiled(packages / "numbers.libs" / "libfast.so.1")
        before = library.read_bytes()
        assert slimmed(packages).returncode == 0
        assert b".debug_info" not in module.read_bytes()
        assert library.read_bytes() == before
        check = f"import ctypes; assert ctypes.CDLL({str(module)!r}).answer() == 42"
        assert subprocess.run([sys.executable, "-c", check]).returncode == 0

    def test_a_module_that_was_damaged_stops_the_build(self, packages: Path) -> None:
        compiled(packages / "numbers" / f"fast{self.SUFFIX}")
        damaging = packages.parent / "strip"
        damaging.write_text('#!/bin/sh\nshift\nfor each in "$@"; do echo broken >"$each"; done\n')
        damaging.chmod(0o755)
        ran = slimmed(packages, str(damaging))
        assert ran.returncode != 0
        assert f"fast{self.SUFFIX}" in ran.stderr
