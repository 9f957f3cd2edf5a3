"""Configuration keys and values that somebody typed: checked by the program's own rules, refused with a next step."""

import difflib
from typing import Any

from cli.base.errors import UserError
from infra.contract.rules import Setting, may_hide_password
from infra.contract.settings import FORMER_KEYS, NAMESPACE, SETTINGS

REGION_KEY = "aws:region"
"""Not the program's: its AWS provider reads it."""

DEFAULT_REGION = "us-east-1"
"""Of an environment whose configuration names none; the sandbox's AWS is there, too."""


def qualified(key: str) -> str:
    """`key` as Pulumi writes it: with its namespace, the project's own by default."""
    return key if ":" in key else f"{NAMESPACE}:{key}"


def setting_of(key: str) -> Setting | None:
    """The setting that `key` names; None if it is a provider's, such as `aws:region`.

    UserError with the nearest names if it is the program's and there is none.
    """
    namespace, _, name = qualified(key).partition(":")
    if namespace != NAMESPACE:
        return None
    if name in SETTINGS:
        return SETTINGS[name]
    if name in FORMER_KEYS:
        new = FORMER_KEYS[name]
        raise UserError(f'The configuration key "{name}" is called "{new}" now', SETTINGS[new].doc)
    lower = {known.lower(): known for known in SETTINGS}
    near = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.6)
    names = ", ".join(f'"{lower[known]}"' for known in near)
    raise UserError(
        f'No configuration key "{name}"',
        f"Did you mean {names}?" if names else "No key has a name like that.",
        "./aerodrome config list --all",
    )


def parse(key: str, text: str) -> Any:
    """The value that `text` is for `key`. UserError if the program would refuse either.

    How values fit together is checked by the program: it has the last word.
    """
    setting = setting_of(key)
    if setting is None:
        return text
    value, problem = setting.parse(text)
    if problem:
        hidden = setting.secret or may_hide_password(text)
        shown = "this value" if hidden else f'"{text}"'
        raise UserError(
            f'Configuration key "{setting.key}" does not take {shown}',
            f"It {problem}.\n{setting.doc}",
        )
    return value
