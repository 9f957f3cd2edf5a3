"""PgBouncer's list of users, while a password is rotated: it is read anew by the PgBouncers that are there.

Their pods stay: one that goes cuts off whoever has just begun a transaction. Kubernetes brings a changed Secret into a pod
within a minute or two, and PgBouncer reads its list when it is told to.
"""

import base64
import hashlib
from typing import Final

from cli.base.errors import KitError
from cli.cloud.kubernetes import Object
from cli.operations import jobs
from cli.operations.live import COMPONENT_LABEL, Live
from cli.operations.teardown.waiting import until_none
from infra.contract.pooling import PGBOUNCER
from infra.contract.secret_contents import SECRET_NAMES

SECONDS: Final = 300.0

_SUM = ("sha256sum", "/run/secrets/pgbouncer/userlist.txt")
_RELOAD = ("psql", "-c", "reload")


def tell(live: Live, again: str, seconds: float = SECONDS) -> None:
    """Each lets in whom its Secret names, and nobody else. KitError if one cannot be told."""
    kubernetes = live.kubernetes
    pods = [
        pod
        for pod in kubernetes.objects("pods", selector=f"{COMPONENT_LABEL}={PGBOUNCER}")
        if (pod.get("status") or {}).get("phase") == "Running"
    ]
    if not pods:
        return
    secret = kubernetes.find("secret", SECRET_NAMES[PGBOUNCER]) or {}
    users = base64.b64decode((secret.get("data") or {}).get("users", ""))
    wanted = hashlib.sha256(users).hexdigest()
    live.session.console.report("PgBouncer's list of users comes to its pods, which takes a minute")

    def look() -> list[str]:
        return [_name(pod) for pod in pods if not _run(live, pod, *_SUM).startswith(wanted)]

    left = until_none(look, seconds, jobs.PAUSE, lambda _: None)
    if left:
        raise KitError(
            f"PgBouncer's new list of users does not come to {', '.join(left)}",
            "Kubernetes brings a changed Secret into a pod within two minutes. Nothing is lost by waiting.",
            again,
        )
    for pod in pods:
        _run(live, pod, *_RELOAD)


def _run(live: Live, pod: Object, *command: str) -> str:
    code, output, errors = live.kubernetes.execute(pod, *command, seconds=30.0)
    if code:
        raise KitError(f"PgBouncer's pod {_name(pod)} does not do `{command[0]}`", errors)
    return output


def _name(pod: Object) -> str:
    return str(pod["metadata"]["name"])
