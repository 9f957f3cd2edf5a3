"""What a server lets in while a password is rotated: PgBouncer's list of users, and the passwords of Celery's queue. It is
read anew by the servers that are there.

Their pods stay: one that goes cuts off whoever has just begun a transaction, or sends a task. Kubernetes brings a changed
Secret into a pod within a minute or two, and a server reads it when it is told to.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cli.base.errors import KitError
from cli.cloud.kubernetes import Object
from cli.operations import jobs
from cli.operations.live import COMPONENT_LABEL, Live
from cli.operations.teardown.waiting import until_none
from infra.contract import database_logins
from infra.contract.executors import REDIS
from infra.contract.pooling import PGBOUNCER
from infra.contract.secret_contents import SECRET_NAMES

SECONDS: Final = 300.0


@dataclass(frozen=True)
class Told:
    """A server that can be told while it runs."""

    component: str
    called: str
    what: str
    """What it is told of, as the subject of a sentence with `does` or `do`."""

    verb: str

    secret: str
    files: Mapping[str, str]
    """Where its pod has the Secret's keys."""

    reload: tuple[str, ...]


POOLERS: Final = Told(
    PGBOUNCER,
    "PgBouncer",
    "list of users",
    "does",
    SECRET_NAMES[PGBOUNCER],
    {"users": "/run/secrets/pgbouncer/userlist.txt"},
    ("psql", "-c", "reload"),
)
QUEUE: Final = Told(
    REDIS,
    "Redis",
    "passwords",
    "do",
    SECRET_NAMES["celeryLogins"],
    {
        database_logins.PASSWORD_ENTRY: "/run/secrets/redis/password",
        database_logins.SECOND_ENTRY: "/run/secrets/redis/second-password",
    },
    ("/usr/local/bin/reload",),
)


def tell(live: Live, again: str, seconds: float = SECONDS, told: Told = POOLERS) -> None:
    """Each lets in whom its Secret names, and nobody else. KitError if one cannot be told."""
    kubernetes = live.kubernetes
    pods = [
        pod
        for pod in kubernetes.objects("pods", selector=f"{COMPONENT_LABEL}={told.component}")
        if (pod.get("status") or {}).get("phase") == "Running"
    ]
    if not pods:
        return
    data = (kubernetes.find("secret", told.secret) or {}).get("data") or {}
    wanted = [hashlib.sha256(base64.b64decode(data.get(key, ""))).hexdigest() for key in told.files]
    live.session.console.report(
        f"waiting for {told.called}'s {told.what} in its pods, which takes a minute"
    )

    def has(pod: Object) -> bool:
        lines = _run(live, told, pod, "sha256sum", *told.files.values()).splitlines()
        return [line.partition(" ")[0] for line in lines] == wanted

    def look() -> list[str]:
        return [_name(pod) for pod in pods if not has(pod)]

    left = until_none(look, seconds, jobs.PAUSE, lambda _: None)
    if left:
        raise KitError(
            f"{told.called}'s new {told.what} {told.verb} not come to {', '.join(left)}",
            "Kubernetes brings a changed Secret into a pod within two minutes. Nothing is lost by waiting.",
            again,
        )
    for pod in pods:
        _run(live, told, pod, *told.reload)


def _run(live: Live, told: Told, pod: Object, *command: str) -> str:
    code, output, errors = live.kubernetes.execute(pod, *command, seconds=30.0)
    if code:
        raise KitError(f"{told.called}'s pod {_name(pod)} does not do `{command[0]}`", errors)
    return output


def _name(pod: Object) -> str:
    return str(pod["metadata"]["name"])
