"""A deployed environment as the rotation of Celery's password sees it: that of the queue, and of the database of results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cli.base.errors import UserError
from cli.operations.rotation import applicable, poolers
from cli.operations.rotation.database import OF_CELERY
from cli.operations.rotation.database_logins import asked
from cli.operations.rotation.login_installation import LoginInstallation
from cli.stack import rotation
from infra.contract.executors import REDIS_SERVICE
from infra.contract.secret_contents import REDIS_PORT, SECRET_NAMES

QUEUE: Final = "queue"
"""The queue among the answers, beside the users of the results' database."""

_COMPONENT = "celery-logins"


@dataclass(frozen=True)
class CeleryInstallation(LoginInstallation):
    """cli.operations.rotation.database.DatabaseInstallation, whose lease is held."""

    login = OF_CELERY
    secret = "celery"
    entry = "redis-password"

    def require_ready(self) -> None:
        same, name = self.live.session.same, self.live.environment.name
        if reason := applicable.hindrance(self.live, rotation.CELERY):
            raise UserError(
                f'"{name}" has no {self._key} to replace',
                f"{reason} Nothing was changed.",
                f"./aerodrome secrets status{same}",
            )
        if not self.live.kubernetes.find("secret", SECRET_NAMES["celeryLogins"]):
            raise UserError(
                f'"{name}" was deployed without a queue, or by an Aerodrome that could not rotate its password',
                "Its Redis, if there is one, takes one password, and is started again once by the deployment that gives it two. "
                "Nothing was changed. Deploy first:",
                f"./aerodrome up{same}",
            )

    def deploy(self, number: int) -> None:
        self.rollout.deploy(number)
        # Before anything relies on it; and who left the lists is let in no more.
        again = f"{OF_CELERY.again}{self.live.session.same}"
        with self.rollout.phases.longer():
            poolers.tell(self.live, again)
            poolers.tell(self.live, again, told=poolers.QUEUE)

    def accepted(self, passwords: Mapping[str, str]) -> Mapping[str, bool]:
        names = self.live.names
        users = {"first": names.results_database, "second": names.second_results_user}
        # Each once: what is asked of both users is one password.
        words = sorted(set(passwords.values()))
        question = {
            "database": names.results_database,
            "users": [(users[which], password) for which, password in passwords.items()],
            "queue": (REDIS_SERVICE, REDIS_PORT),
            "passwords": words,
        }
        answers = asked(self.live, _COMPONENT, question)
        found = dict(zip(passwords, answers["users"], strict=True))
        queue = {
            f"{QUEUE}{number or ''}": taken for number, taken in enumerate(answers["passwords"])
        }
        return {**found, **queue}
