"""Rancher's agent in the cluster: is it there, whom does it serve, does it work, and if not, why.

Asked of Kubernetes alone, so that it can be told without a token of Rancher's.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cli.base.errors import KitError
from cli.cloud.kubernetes import Kubernetes, Object
from cli.operations.hindrances import conditions, waiting

SPACE, NAME = "cattle-system", "cattle-cluster-agent"
SERVER = "CATTLE_SERVER"
"""The variable of the agent that says where its Rancher is."""

ABSENT, STARTING, HEALTHY, FAILING = "absent", "starting", "healthy", "failing"

_LINES = 40
_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
_CAUSES = (
    ("TLS", r"certificate|x509|checksum|\bssl\b|\btls\b"),
    ("DNS", r"could not resolve|no such host|name resolution"),
    ("network", r"connection refused|timed out|timeout|failed to connect|no route to host"),
    ("rights", r"\b401\b|\b403\b|unauthorized|forbidden"),
)
_HINTS = {
    "TLS": "The agent does not trust the server's certificate, or the server has another one than it says.",
    "DNS": "The cluster's DNS does not know the server's name.",
    "network": "The server's address does not answer to the cluster: a firewall, or a name of another network.",
    "rights": "The server does not know this registration: it may have been deleted there.",
}


@dataclass(frozen=True)
class Agent:
    """What is known of it."""

    state: str
    server: str = ""
    """The Rancher that it serves."""

    reason: str = ""
    """Why it is not healthy."""

    cause: str = ""
    """What kind of reason: `image`, `TLS`, `DNS`, `network`, `rights`, `scheduling`; empty if it is another."""

    def data(self) -> dict[str, str]:
        return {
            "state": self.state,
            "server": self.server,
            "cause": self.cause,
            "reason": self.reason,
        }


def look(kubernetes: Kubernetes) -> Agent:
    """The agent as it is now."""
    deployment = kubernetes.find("deployment", NAME, namespace=SPACE)
    if deployment is None:
        return Agent(ABSENT)
    server = server_of(deployment)
    pods = kubernetes.objects("pods", selector=f"app={NAME}", namespace=SPACE)
    pods = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    cause, reason = next(_hindered(pods), ("", ""))
    if not reason and _available(deployment):
        return Agent(HEALTHY, server)
    if not reason:
        cause, reason = _refused(deployment) or _said(kubernetes)
    return Agent(FAILING if reason else STARTING, server, reason, cause)


def server_of(deployment: Object) -> str:
    """The address that the agent of a manifest, or of a cluster, will ask for."""
    for container in deployment["spec"]["template"]["spec"]["containers"]:
        for variable in container.get("env") or ():
            if variable["name"] == SERVER:
                return str(variable.get("value") or "")
    return ""


def _available(deployment: Object) -> bool:
    status = deployment.get("status") or {}
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    # An update has pods of the former agent beside those of the new one, and they do not count.
    updated = status.get("updatedReplicas", 0) >= deployment["spec"].get("replicas", 1)
    return bool(seen and updated and "Available" in conditions(deployment))


def _hindered(pods: list[Object]) -> Iterator[tuple[str, str]]:
    """Why pods do not run, as far as Kubernetes itself knows."""
    for pod in pods:
        for status, why in waiting(pod):
            message = " ".join(str(why.get("message", "")).split())
            if why.get("reason") in _IMAGE:
                yield "image", f"Its image {status['image']} cannot be had: {message}"
        for each in (pod.get("status") or {}).get("conditions") or ():
            if each["type"] == "PodScheduled" and each["status"] == "False":
                yield "scheduling", f"No node takes it: {each.get('message', '')}"


def _refused(deployment: Object) -> tuple[str, str] | None:
    """Why there are no pods: a quota or a policy."""
    for each in (deployment.get("status") or {}).get("conditions") or ():
        if each["type"] == "ReplicaFailure" and each["status"] == "True":
            return "", f"It may not run: {each.get('message', '')}"
    return None


def _said(kubernetes: Kubernetes) -> tuple[str, str]:
    """The last thing that the agent itself complains of."""
    try:
        lines = kubernetes.logs(f"app={NAME}", lines=_LINES, namespace=SPACE)
    except KitError:
        # No container has begun, or its node is gone: then there is nothing to read.
        return "", ""
    return next(filter(None, map(_complaint, reversed(lines))), ("", ""))


def _complaint(line: str) -> tuple[str, str] | None:
    # Its other lines have its environment in them, and that has secrets.
    if not re.search(r"\b(ERROR|FATA|FATAL|error|fatal)\b", line):
        return None
    for cause, pattern in _CAUSES:
        if re.search(pattern, line, re.IGNORECASE):
            return cause, f"{_HINTS[cause]} It says: {_short(line)}"
    return None


def _short(line: str) -> str:
    text = re.sub(r"(?<=/import/)\S+", "...", " ".join(line.split()))
    return text if len(text) <= 400 else text[:400] + "..."
