"""Why a setting will not do, and a value that would."""

from dataclasses import dataclass

from cli.base.environments import Environment
from cli.base.errors import UserError


@dataclass(frozen=True)
class Refusal:
    """What is wrong with a setting."""

    summary: str
    detail: str
    setting: str
    value: str
    """What the setting takes instead, as text; empty where nothing can be named."""

    fix: str = ""
    """The command that puts it right, where that is not another value of the setting."""

    def command(self, environment: Environment) -> str:
        """What puts it right."""
        if self.fix:
            own = self.fix.startswith("./aerodrome ")
            return f"{self.fix} --env {environment.name}" if own else self.fix
        value = self.value or "VALUE"
        shown = value if value.replace(".", "").isalnum() else f"'{value}'"
        return f"./aerodrome config set {self.setting} {shown} --env {environment.name}"

    def error(self, environment: Environment) -> UserError:
        return UserError(
            self.summary, f"{self.detail}\nNothing was changed.", self.command(environment)
        )
