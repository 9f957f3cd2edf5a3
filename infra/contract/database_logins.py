"""The two users of PostgreSQL by whom Airflow logs in to its database in turn, so that one can get another password while
nobody uses it (ADR 33). Celery's results have two such users, too, and its queue lets in both of their passwords.

The first owns the database and has its name. The second is a member of it, and acts as the first in every session, so
whatever either makes is the first's. Which of them Airflow uses is told by its password, `databasePassword`.
"""

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass, field, replace
from typing import Final, Self

SETTING: Final = "databaseLogins"
"""The setting that has the passwords of both; without it there is the first alone, with `databasePassword`."""

CELERY_SETTING: Final = "celeryLogins"
"""The same for Celery's results and its queue, with `celeryPassword`."""

PASSWORD_ENTRY: Final = "password"
SECOND_NAME_ENTRY: Final = "second-username"
SECOND_ENTRY: Final = "second-password"
OWNER_ENTRY: Final = "owner"
"""Keys of the Secret `logins`. A user without a password cannot log in."""

SHORTEST: Final = 12


@dataclass(frozen=True)
class Logins:
    """Passwords of both, empty for one who may not log in; at least one may."""

    first: str = field(default="", repr=False)
    second: str = field(default="", repr=False)
    mark: str = field(default="", repr=False)
    """Stays while passwords are rotated, and follows from one that is set by hand: PostgreSQL's pod in the cluster is
    replaced when it changes, and sets the passwords then."""

    @classmethod
    def alone(cls, password: str) -> Self:
        """Of an environment whose password was never rotated."""
        mark = hashlib.sha256(f"aerodrome database\n{password}".encode()).hexdigest()
        return cls(first=password, mark=mark)

    @property
    def passwords(self) -> tuple[str, ...]:
        """Those with which somebody may log in."""
        return tuple(one for one in (self.first, self.second) if one)

    @property
    def of_rds(self) -> str:
        """The password of RDS's first user, who must have one: while it is idle, one that follows from the second's, and that
        no pod of Airflow has. It goes with that one: the next rotation gives the first user another before it takes the
        second's away."""
        if self.first:
            return self.first
        text = f"aerodrome idle\n{self.mark}"
        return hmac.new(self.second.encode(), text.encode(), hashlib.sha256).hexdigest()

    def with_idle(self, password: str) -> Self:
        """Both may log in: the one that could not has this password."""
        return replace(self, second=password) if self.first else replace(self, first=password)

    def only(self, password: str) -> Self:
        """The one with this password may log in, the other may not."""
        kept = {name: text for name, text in self.by_name().items() if text == password}
        return replace(self, **{"first": "", "second": "", **kept})

    def by_name(self) -> dict[str, str]:
        return {"first": self.first, "second": self.second}

    def text(self) -> str:
        """As the setting has it."""
        return json.dumps(asdict(self), sort_keys=True)


def parse(text: str) -> Logins:
    """The setting's value. ValueError or TypeError if it is none."""
    found = Logins(**json.loads(text))
    if not found.mark or not found.passwords or min(map(len, found.passwords)) < SHORTEST:
        raise ValueError
    return found


def of(password: str, text: str) -> Logins:
    """Those of an environment with this `databasePassword` and this `databaseLogins`."""
    return parse(text) if text else Logins.alone(password)


def check(text: str, rotation: str = "database") -> str | None:
    """What is wrong with the setting's value, which is never repeated."""
    try:
        parse(text)
    except (ValueError, TypeError):
        return f"must be as `secrets rotate {rotation}` has set it"
    return None


def check_celery(text: str) -> str | None:
    """The same of `celeryLogins`."""
    return check(text, "celery")
