"""A deployed environment as the rotation of its tokens' key sees it: configuration, deployments, Airflow's own API."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from cli.base.airflow import PATIENCE, Airflow
from cli.base.errors import KitError, UserError
from cli.base.settings import qualified
from cli.base.values import need, reveal
from cli.operations.live import Live
from cli.operations.rotation.rollout import Rollout
from cli.operations.rotation.tokens import Keys
from cli.stack import rotation
from cli.stack.rotation import Rotation
from infra.contract import token_keys
from infra.contract.secret_contents import SECRET_NAMES
from infra.contract.settings import SECRETS

KEY: Final = "jwtSecret"
ACCEPTED: Final = qualified(token_keys.ACCEPTED)

LIFETIMES: Final[Mapping[str, float]] = {
    "AIRFLOW__EXECUTION_API__JWT_EXPIRATION_TIME": 600.0,
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": 600.0,
}
"""How long the tokens of tasks are valid that run, and that wait in a queue: Airflow's defaults."""

LEEWAY: Final = 30.0
"""Seconds. Airflow accepts a token ten seconds beyond its end; and clocks differ."""

LAST_CALLS: Final = 30.0
"""Seconds for which a process may still ask the api-server whose task has ended: callbacks, the log."""

PAUSE: Final = 5.0

WAITED: Final = "tasks with tokens of the old key"
"""What the time is called for which a rotation waits."""

_CONFIG = "airflow-config"
_DECIDED: Mapping[str, tuple[str, ...]] = {
    "AIRFLOW__API_AUTH__JWT_PRIVATE_KEY_PATH": (),
    "AIRFLOW__API_AUTH__TRUSTED_JWKS_URL": (),
    "AIRFLOW__API_AUTH__JWT_ALGORITHM": (token_keys.ALGORITHM, "GUESS"),
}
"""Options with which tokens are not signed with jwtSecret as a rotation needs it, and what is allowed for each."""


@dataclass(frozen=True)
class TokenInstallation:
    """cli.operations.rotation.tokens.SigningInstallation, whose lease is held."""

    rollout: Rollout

    @property
    def live(self) -> Live:
        return self.rollout.live

    def configured(self) -> Keys:
        config = self.live.backend.config()
        accepted = str(reveal(config.get(ACCEPTED, "")))
        return Keys(need(config, qualified(KEY)), token_keys.split(accepted))

    def deployed(self) -> Keys:
        secret = self.live.kubernetes.find("secret", SECRET_NAMES["jwt"]) or {}
        content = {
            key: base64.b64decode(value).decode()
            for key, value in (secret.get("data") or {}).items()
        }
        accepted = content.get(token_keys.SET_ENTRY, "")
        signing = content.get(token_keys.KEY_ENTRY, "")
        return Keys(signing, token_keys.secrets_of(accepted) if accepted else ())

    def under_way(self) -> Rotation | None:
        return rotation.under_way(self.live.backend, rotation.TOKENS)

    def require_ready(self) -> None:
        set_by_user = self._environment()
        for variable, allowed in _DECIDED.items():
            if (value := set_by_user.get(variable)) and value not in allowed:
                section, _, option = variable.removeprefix("AIRFLOW__").lower().partition("__")
                raise UserError(
                    f"The values of Airflow set {section}.{option}",
                    "Its tokens are then not signed with jwtSecret, or not as a rotation needs it. Nothing was changed. "
                    "Take the option out of the values, or replace that key yourself:",
                    f"./aerodrome up{self.live.session.same}",
                )

    def begin(self, begun: Rotation) -> None:
        rotation.remember(self.live.backend, rotation.TOKENS, begun)

    def configure(self, keys: Keys) -> None:
        backend, now = self.live.backend, self.configured()
        if keys.signing != now.signing:
            backend.set_config(qualified(KEY), keys.signing, secret=True)
        if keys.accepted == now.accepted:
            return
        if keys.accepted:
            backend.set_config(ACCEPTED, token_keys.joined(keys.accepted), secret=True)
        else:
            backend.remove_config(ACCEPTED)

    def deploy(self, number: int) -> None:
        self.rollout.deploy(number)

    def drain(self) -> int:
        environment = self._environment()
        longest = max(float(environment.get(key, value)) for key, value in LIFETIMES.items())
        with self.rollout.phases.between(WAITED), self.live.airflow(PATIENCE) as airflow:
            return drained(airflow, longest + LEEWAY, LAST_CALLS, self.live.session.console.report)

    def prove(self, old: str, new: str) -> None:
        with self.live.airflow(PATIENCE) as airflow:
            prove(airflow, old, new, f"./aerodrome secrets rotate jwt{self.live.session.same}")

    def end(self) -> None:
        backend = self.live.backend
        rotation.note_made(backend, [KEY], self.today())
        rotation.forget(backend, rotation.TOKENS)

    def make(self) -> str:
        return SECRETS[KEY]()

    def today(self) -> date:
        return self.live.session.today()

    def _environment(self) -> Mapping[str, str]:
        """Airflow's settings, as deployed."""
        found = self.live.kubernetes.find("configmap", _CONFIG) or {}
        data: Mapping[str, str] = found.get("data") or {}
        return data


def drained(
    airflow: Airflow,
    longest: float,
    last_calls: float,
    report: Callable[[str], None],
    pause: float = PAUSE,
) -> int:
    """Waits until each task that is at work now has ended, or `longest` seconds are over: by then its token was exchanged
    for one of the new key, or is valid no more. How many there were."""
    left = airflow.with_tokens()
    count, give_up = len(left), time.monotonic() + longest
    said = -1
    while left and time.monotonic() < give_up:
        if len(left) != said:
            report(f"tasks with a token of the old key: {len(left)}; at most {longest:.0f} seconds")
            said = len(left)
        time.sleep(pause)
        left &= airflow.with_tokens()
    # Also those that ended just before the first look.
    time.sleep(last_calls)
    return count


def prove(airflow: Airflow, old: str, new: str, again: str) -> None:
    """KitError unless Airflow signs with the new key, and refuses what the old one has signed."""
    token = airflow.token()
    if signed(token, new) != token or not airflow.accepts(token):
        raise KitError(
            "The rotation is not complete: Airflow does not sign with the new key", "", again
        )
    if airflow.accepts(signed(token, old)):
        raise KitError(
            "The rotation is not complete: Airflow accepts a token that the old key has signed",
            "",
            again,
        )


def signed(token: str, key: str) -> str:
    """The same token, as this key signs it."""
    content = token.rpartition(".")[0]
    signature = hmac.new(key.encode(), content.encode(), hashlib.sha512).digest()
    return f"{content}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
