"""A deployed environment as the rotation of its database's password sees it: configuration, deployments, a Job that logs in."""

from collections.abc import Mapping
from dataclasses import dataclass

from cli.base.errors import UserError
from cli.operations.rotation import poolers
from cli.operations.rotation.database import OF_DATABASE
from cli.operations.rotation.database_logins import tried
from cli.operations.rotation.login_installation import LoginInstallation
from infra.contract.secret_contents import SECRET_NAMES


@dataclass(frozen=True)
class PasswordInstallation(LoginInstallation):
    """cli.operations.rotation.database.DatabaseInstallation, whose lease is held."""

    login = OF_DATABASE
    secret = "database"
    entry = "password"

    def require_ready(self) -> None:
        same, name = self.live.session.same, self.live.environment.name
        # The users of a branch, and those in an instance that was there before, are made by a Job of their own.
        apart = self.live.shared or self.live.names.existing_server
        if not apart and not self.live.kubernetes.find("secret", SECRET_NAMES["logins"]):
            raise UserError(
                f'"{name}" was deployed by an Aerodrome that could not rotate the password of its database',
                "Its migration Job does not know of a second user, and a PostgreSQL in the cluster is started again once by the "
                "deployment that tells it. Nothing was changed. Deploy first:",
                f"./aerodrome up{same}",
            )

    def deploy(self, number: int) -> None:
        self.rollout.deploy(number)
        # Before anything relies on it; and who left the list is let in no more.
        with self.rollout.phases.longer():
            poolers.tell(self.live, f"{OF_DATABASE.again}{self.live.session.same}")

    def accepted(self, passwords: Mapping[str, str]) -> Mapping[str, bool]:
        names = self.live.names
        users = {"first": names.database, "second": names.second_user}
        logins = [(users[which], password) for which, password in passwords.items()]
        answers = tried(self.live, logins)
        return dict(zip(passwords, answers, strict=True))
