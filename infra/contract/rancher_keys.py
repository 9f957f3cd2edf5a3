"""Which access keys Rancher's user in IAM has: one, or two while one is replaced. The value of the setting `rancherKeys`.

Keys have numbers, for AWS gives them their names. `2` is the second alone; `2+1` the second, with the first beside it, which works;
`2-1` the same with the first deactivated.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

SETTING: Final = "rancherKeys"
DEFAULT: Final = "1"

_TEXT: Final = re.compile(r"(?P<current>[1-9]\d{0,5})((?P<sign>[+-])(?P<former>[1-9]\d{0,5}))?")


@dataclass(frozen=True)
class RancherKeys:
    """The key that is handed out, and the one that it replaces."""

    current: int = 1
    former: int = 0
    """0: there is none."""

    former_works: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """ValueError if it is none."""
        found = _TEXT.fullmatch(text)
        if not found or found["current"] == found["former"]:
            raise ValueError(text)
        return cls(int(found["current"]), int(found["former"] or 0), found["sign"] == "+")

    def text(self) -> str:
        if not self.former:
            return str(self.current)
        return f"{self.current}{'+' if self.former_works else '-'}{self.former}"


def check(text: str) -> str | None:
    """What is wrong with the setting's value, if anything."""
    try:
        RancherKeys.parse(text)
    except ValueError:
        return "must be the number of a key, such as 1; `secrets rotate rancher` writes it"
    return None


def resource_name(user: str, number: int) -> str:
    """The key's in the stack. The first has that of its user, as it had before there were others."""
    return user if number == 1 else f"{user}-{number}"
