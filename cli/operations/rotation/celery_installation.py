"""A deployed environment as the rotation of Celery's password sees it: that of the queue, and of the database of results."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from cli.base.errors import UserError
from cli.base.settings import qualified
from cli.base.values import need, reveal
from cli.operations.live import Live
from cli.operations.rotation import applicable, poolers
from cli.operations.rotation.database import OF_CELERY, DatabaseAccess
from cli.operations.rotation.database_logins import asked
from cli.operations.rotation.rollout import Rollout
from cli.stack import rotation
from cli.stack.rotation import Rotation
from infra.contract import database_logins
from infra.contract.executors import REDIS_SERVICE
from infra.contract.secret_contents import REDIS_PORT, SECRET_NAMES
from infra.contract.settings import SECRETS

KEY: Final = "celeryPassword"
LOGINS: Final = qualified(database_logins.CELERY_SETTING)
QUEUE: Final = "queue"
"""The queue among the answers, beside the users of the results' database."""

_COMPONENT = "celery-logins"


@dataclass(frozen=True)
class CeleryInstallation:
    """cli.operations.rotation.database.DatabaseInstallation, whose lease is held."""

    rollout: Rollout

    @property
    def live(self) -> Live:
        return self.rollout.live

    def configured(self) -> DatabaseAccess:
        config = self.live.backend.config()
        password = need(config, qualified(KEY))
        text = str(reveal(config.get(LOGINS, "")))
        return DatabaseAccess(password, database_logins.of(password, text))

    def deployed(self) -> str:
        secret = self.live.kubernetes.find("secret", SECRET_NAMES["celery"]) or {}
        return base64.b64decode((secret.get("data") or {}).get("redis-password", "")).decode()

    def under_way(self) -> Rotation | None:
        return rotation.under_way(self.live.backend, rotation.CELERY)

    def require_ready(self) -> None:
        same, name = self.live.session.same, self.live.environment.name
        if reason := applicable.hindrance(self.live, rotation.CELERY):
            raise UserError(
                f'"{name}" has no {KEY} to replace',
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

    def begin(self, begun: Rotation) -> None:
        rotation.remember(self.live.backend, rotation.CELERY, begun)

    def configure(self, access: DatabaseAccess) -> None:
        backend, now = self.live.backend, self.configured()
        if access.password != now.password:
            backend.set_config(qualified(KEY), access.password, secret=True)
        if access.logins != now.logins:
            backend.set_config(LOGINS, access.logins.text(), secret=True)

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

    def end(self) -> None:
        backend = self.live.backend
        rotation.note_made(backend, [KEY], self.today())
        rotation.forget(backend, rotation.CELERY)

    def make(self) -> str:
        return SECRETS[KEY]()

    def today(self) -> date:
        return self.live.session.today()
