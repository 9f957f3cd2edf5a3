"""A shell of the user's in which Pulumi's and AWS's own clients work on the sandbox."""

import os
import shlex
from collections.abc import Iterator, Mapping

from cli.base import environments
from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.paths import ROOT
from cli.cloud.sandbox_cloud import UNSET


def variables(wanted: Mapping[str, str], have: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Those of `wanted` that the shell does not have yet."""
    return {key: value for key, value in sorted(wanted.items()) if have.get(key) != value}


def lines(changes: Mapping[str, str]) -> Iterator[str]:
    """For `eval` in a POSIX shell."""
    yield f"unset {' '.join(UNSET)}"
    for key, value in changes.items():
        yield f"export {key}={shlex.quote(value)}"


def link_configurations() -> list[str]:
    """Links each sandbox environment's configuration into the checkout. The links.

    They are this machine's, and outside the checkout, so that every checkout finds them; git ignores
    the links. A file that is in the way is the user's: UserError.
    """
    made = []
    for name in environments.known():
        file = Environment(name).config_file
        if not Environment(name).sandboxed or not file.exists():
            continue
        link = ROOT / file.name
        if link.exists() and not link.is_symlink():
            raise UserError(
                f"{link} is in the way",
                f"Pulumi must find {file} there. Move yours away, or compare the two.",
                f"diff {link} {file}",
            )
        if not link.is_symlink() or link.readlink() != file:
            link.unlink(missing_ok=True)
            link.symlink_to(file)
        made.append(link.name)
    return made
