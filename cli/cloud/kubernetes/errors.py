"""What a call to Kubernetes can fail with, by what the server answered.

    Unreachable   no answer: nothing is known of what is in the cluster
    Refused       an answer that is an error; carries the HTTP status
    UnknownKind   the cluster has no such kind of object: its definition may be gone

A kubeconfig that cannot be read and a login that cannot be had are the user's: UserError.
"""

import json

from cli.base.errors import KitError

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, SERVER_ERROR = 401, 403, 404, 409, 500


class Unreachable(KitError):
    """The cluster does not answer: nothing is known of what is in it."""


class UnknownKind(KitError):
    """The cluster has no such kind of object."""


class Refused(KitError):
    """The API server answered, and not with what was asked for."""

    def __init__(
        self,
        summary: str,
        detail: str = "",
        command: str = "",
        *,
        status: int,
        causes: tuple[str, ...] = (),
    ) -> None:
        super().__init__(summary, detail, command)
        self.status = status
        self.causes = causes
        """What the server names one by one, such as the budget that forbids an eviction."""


def refused(status: int, body: bytes, asked: str, whoami: str) -> Refused:
    """The error of an HTTP answer: `asked` is what was asked for, `whoami` shows as whom."""
    reason, causes = _told(body)
    reason = reason or f"HTTP {status}"
    if status == UNAUTHORIZED:
        return Refused(
            "Kubernetes does not accept this machine's login",
            f"{asked}: {reason}\nIt has expired, or belongs to nobody whom the cluster lets in.",
            whoami,
            status=status,
        )
    if status == FORBIDDEN:
        return Refused("Kubernetes forbids it", reason, whoami, status=status)
    return Refused("Kubernetes refuses", f"{asked}: {reason}", status=status, causes=causes)


def _told(body: bytes) -> tuple[str, tuple[str, ...]]:
    """What a Status says, and its causes; other answers (a proxy's, a kubelet's) as they are."""
    text = body.decode(errors="replace").strip()
    try:
        status = json.loads(text)
    except ValueError:
        return text[:500], ()
    if not isinstance(status, dict):
        return text[:500], ()
    causes = (status.get("details") or {}).get("causes") or ()
    return str(status.get("message") or ""), tuple(str(each.get("message")) for each in causes)
