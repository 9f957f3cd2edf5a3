"""The settings that an environment will have after bootstrap.

They are those of its configuration file, those that the command line adds, and the program's
defaults for the rest. Quotas and the region are checked against them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.settings import parse, qualified, setting_of
from cli.stack import config_file
from infra.contract.settings import SETTINGS


@dataclass(frozen=True)
class RequestedSettings:
    """Settings by key: `configured` in the file, `given` on the command line."""

    configured: Mapping[str, str]
    given: Mapping[str, str]

    def text(self, key: str) -> str | None:
        """The value of a key, with its namespace, as Pulumi keeps it; None if nobody set it."""
        return self.given.get(key, self.configured.get(key))

    def value(self, name: str) -> Any:
        """The value of one of the program's settings, in its type."""
        text = self.text(qualified(name))
        return SETTINGS[name].default if text is None else parse(name, text)


def read(environment: Environment, assignments: Sequence[str] = ()) -> RequestedSettings:
    """Reads the configuration file of `environment`, and the `KEY=VALUE` of the command line."""
    return RequestedSettings(
        config_file.plain(config_file.read(environment.config_file)),
        dict(_assigned(each) for each in assignments),
    )


def _assigned(assignment: str) -> tuple[str, str]:
    key, equals, value = assignment.partition("=")
    if not equals:
        raise UserError(f'"{assignment}" sets nothing', "--set takes KEY=VALUE, such as nodeMax=2.")
    key = qualified(key)
    setting = setting_of(key)
    if setting is not None and setting.secret:
        raise UserError(
            f'"{setting.key}" is a secret',
            "Bootstrap generates one; the command line of a program can be seen by others. To set your own:",
            f"pulumi config set --secret {key}",
        )
    parse(key, value)
    return key, value
