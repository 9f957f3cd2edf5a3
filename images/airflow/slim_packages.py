"""Takes out of the installed packages what nothing at run time reads, and says how much it was.

The build runs it in the step that installs them, with the folder of the packages and the program `strip`.
"""

import ctypes
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

UNUSED = (
    # The same as kubernetes_asyncio, which the provider and its triggers use; nothing imports it.
    "kubernetes/aio",
)

SOURCES = frozenset({".c", ".cc", ".cpp", ".h", ".hpp", ".pxd", ".pyi", ".pyx"})
"""Of compiled modules, and for type checkers: there is no compiler in the image, and no editor."""

TESTS = frozenset({"test", "tests"})


def size(path: Path) -> int:
    return sum(one.lstat().st_size for one in [path, *path.rglob("*")] if not one.is_dir())


def leftovers(packages: Path) -> Iterator[Path]:
    """Folders and files to delete. A folder comes without what is in it."""
    for name in UNUSED:
        if (packages / name).is_dir():
            yield packages / name
    for path in packages.rglob("*"):
        parts = path.relative_to(packages).parts
        # Airflow's own folders of that name are code, and so may a package called `test` be.
        if path.is_dir() and path.name in TESTS and len(parts) > 1 and parts[0] != "airflow":
            yield path
        if path.is_file() and path.suffix in SOURCES:
            yield path


def with_debug_information(packages: Path) -> Iterator[Path]:
    """Compiled modules whose debugger's tables are still there: two thirds of their size."""
    for path in packages.rglob("*.so*"):
        # Libraries that a wheel brings along were moved about by its builder; they stay as they are.
        foreign = any(part.endswith(".libs") for part in path.parts)
        if not foreign and path.is_file() and b".debug_info" in path.read_bytes():
            yield path


def main(arguments: list[str]) -> int:
    """`slim_packages.py SITE_PACKAGES STRIP`."""
    packages, strip = Path(arguments[0]), arguments[1]
    before = size(packages)
    for path in list(leftovers(packages)):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    stripped = list(with_debug_information(packages))
    if stripped:
        subprocess.run([strip, "--strip-debug", *map(str, stripped)], check=True)
    for path in stripped:
        # A damaged one would otherwise be found by the first task that needs it.
        ctypes.CDLL(str(path))
    megabytes = (before - size(packages)) // 1_000_000
    sys.stdout.write(f"{megabytes} MB of the packages are not needed at run time\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
