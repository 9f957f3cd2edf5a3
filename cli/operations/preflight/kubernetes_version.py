"""The version of Kubernetes: one that EKS offers, no older than the cluster's, and one minor version away at most."""

from collections.abc import Sequence
from dataclasses import dataclass

from cli.cloud import eks
from cli.cloud.resource import Client
from cli.operations.preflight.refusal import Refusal
from infra.contract import versions

SETTING = "kubernetesVersion"


@dataclass(frozen=True)
class VersionRequest:
    """What is asked for, and for what."""

    environment: str
    cluster: str
    region: str
    version: str
    rancher: bool
    """Whether a Rancher is to manage it, which limits the choice."""

    said_by: str = SETTING
    """Where the version was asked for."""


def check(client: Client, request: VersionRequest) -> Refusal | None:
    """Asks EKS for the cluster as it is: AWS upgrades one by itself when its version's support ends."""
    running = eks.version(client, request.cluster)
    if request.version == running:
        return None
    return judge(request, running, eks.offered_versions(client))


def judge(request: VersionRequest, running: str, offered: Sequence[str]) -> Refusal | None:
    """`running` is empty where there is no cluster yet."""
    asked = request.version
    if request.version == running:
        return None
    if asked not in offered:
        where = f' "{request.environment}" runs {running}.' if running else ""
        return Refusal(
            f"EKS does not offer Kubernetes {asked} in {request.region}",
            f"Offered are {', '.join(offered) or 'none'}.{where} `aws eks describe-cluster-versions` shows them.",
            SETTING,
            _best(request, running, offered),
        )
    if not running:
        return None
    summary = f'"{request.environment}" runs Kubernetes {running}, and {request.said_by} is {asked}'
    if versions.minor(asked) < versions.minor(running):
        return Refusal(
            summary,
            "No cluster goes back to an older version. Keep the one that runs, or deploy another environment "
            "beside it.",
            SETTING,
            running,
        )
    if asked not in _within_reach(running):
        return Refusal(
            summary,
            "EKS upgrades one minor version at a time. Take the next one, run up, and go on from there.",
            SETTING,
            _within_reach(running)[1],
        )
    return None


def _within_reach(running: str) -> tuple[str, str]:
    major, minor = versions.minor(running)
    return running, f"{major}.{minor + 1}"


def _best(request: VersionRequest, running: str, offered: Sequence[str]) -> str:
    """The newest that would be taken."""
    fitting = [
        version
        for version in offered
        if (not running or version in _within_reach(running))
        and not (request.rancher and versions.unmanaged(version))
    ]
    return max(fitting, key=versions.minor, default=running)
