"""Every error that the command line raises on purpose; the class says who must act.

    KitError       foreseen, but not the user's doing; exit 1
      UserError    your configuration, program or machine; exit 2, never a traceback
      CloudError   the cloud refused; carries the operation and the API's code

It imports nothing of the project. A message names the thing, the reason and the next command:
`KitError(summary, detail, command)`. `cli.cloud.sandbox` translates what the sandbox raises.
"""

from collections.abc import Mapping
from typing import Any


class KitError(Exception):
    """A failure that the kit foresaw.

    `summary` is one line that names the thing; `detail` says why, and what was seen
    (may be several lines); `command` is what to type next, alone on its line.
    """

    exit_code = 1

    def __init__(self, summary: str, detail: str = "", command: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail
        self.command = command

    def data(self) -> dict[str, Any]:
        """The error for programs: what `--json` prints of it."""
        known = {"code": type(self).__name__, "summary": self.summary, "detail": self.detail}
        return known | {"command": self.command}

    def done(self) -> Mapping[str, Any]:
        """What had been done before it, for programs: {} if that is not known."""
        return {}

    def __str__(self) -> str:
        parts = [self.summary, self.detail, f"    {self.command}" if self.command else ""]
        return "\n".join(part for part in parts if part)


class UserError(KitError):
    """Something only the user can put right. Nothing was changed."""

    exit_code = 2


class CloudError(KitError):
    """The cloud refused an operation."""

    def __init__(
        self,
        summary: str,
        detail: str = "",
        command: str = "",
        *,
        operation: str = "",
        code: str = "",
    ) -> None:
        super().__init__(summary, detail, command)
        self.operation = operation
        self.code = code

    def data(self) -> dict[str, Any]:
        more = {"operation": self.operation, "cloudCode": self.code}
        return super().data() | {key: text for key, text in more.items() if text}
