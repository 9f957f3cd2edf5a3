"""The files that `--values` names: found, and written as every checkout finds them. The program reads them."""

import stat
from collections.abc import Sequence
from pathlib import Path

from cli.base.errors import UserError
from cli.base.paths import ROOT


def from_project(files: Sequence[Path], root: Path = ROOT) -> list[str]:
    """The paths from the project's folder. UserError for a file that the program could not read."""
    return [_checked(file, root) for file in files]


def _checked(file: Path, root: Path) -> str:
    try:
        # Opening a FIFO would wait for ever.
        if not stat.S_ISREG(file.stat().st_mode):
            raise UserError(f'The values file "{file}" is no regular file')
        file.open("rb").close()
    except OSError as error:
        raise UserError(
            f'The values file "{file}" cannot be read', error.strerror or str(error)
        ) from error
    # Not resolved: a link in the project may lead anywhere, and is part of the checkout.
    path = Path.cwd() / file
    inside = _inside(path, root)
    if inside is None:
        raise UserError(
            f'The values file "{file}" is not in the project\'s folder',
            f"The next run, and other checkouts, look for it there.\nCopy it to {root / 'values'}.",
        )
    if file.suffix != ".yaml":
        raise UserError(f'The values file "{file}" does not end in .yaml')
    return inside


def _inside(path: Path, root: Path) -> str | None:
    """The path from the root; None if it is outside."""
    parent = path.parent.resolve() / path.name
    return parent.relative_to(root).as_posix() if parent.is_relative_to(root) else None
