"""Every error that the kit's stand-ins raise on purpose; the class says who must act.

    KitError
      UserError         your configuration, program or machine; exit 2, never a traceback
      CloudError        the cloud refused; carries urn, operation and the API's code
        PartiallyCreated  exists but unfinished; its state is kept, the next run updates it
      Unsupported       a stand-in does not implement this; names the RPC, option or resource type
      EngineBug         our fault

Anyone may import this module; it imports nothing of the project. A message names
the thing, the reason and the next command: `KitError(summary, detail, command)`.
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

    @property
    def kind(self) -> str:
        """The class that says who must act; for programs."""
        return type(self).__name__

    def data(self) -> dict[str, Any]:
        """The error for programs: what `--json` prints of it."""
        known = {"code": self.kind, "summary": self.summary, "detail": self.detail}
        return known | {"command": self.command}

    def done(self) -> Mapping[str, Any]:
        """The steps that were done before it, for programs: {} if that is not known."""
        return {}

    def __str__(self) -> str:
        parts = [self.summary]
        if self.detail:
            parts.append(self.detail)
        if self.command:
            parts.append(f"    {self.command}")
        return "\n".join(parts)


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
        urn: str = "",
        operation: str = "",
        code: str = "",
    ) -> None:
        super().__init__(summary, detail, command)
        self.urn = urn
        self.operation = operation
        self.code = code

    def data(self) -> dict[str, Any]:
        more = {"urn": self.urn, "operation": self.operation, "cloudCode": self.code}
        return super().data() | {key: text for key, text in more.items() if text}


class PartiallyCreated(CloudError):
    """The resource exists but did not become ready: keep its state and say why."""

    def __init__(
        self,
        summary: str,
        *,
        resource_id: str,
        outputs: Mapping[str, Any],
        reasons: list[str],
        urn: str = "",
        operation: str = "",
    ) -> None:
        super().__init__(summary, "\n".join(reasons), urn=urn, operation=operation)
        self.resource_id = resource_id
        self.outputs = outputs
        self.reasons = reasons


class Unsupported(KitError):
    """A stand-in refuses what it cannot do as the real thing does."""

    exit_code = 2


class EngineBug(KitError):
    """A state that the code holds to be impossible."""

    def __init__(self, summary: str, detail: str = "") -> None:
        super().__init__(f"{summary} (this is a bug in Aerodrome, please report it)", detail)
