"""What is refused of `upgrade` by name, before the cluster is looked at: exit 2, and nothing changed."""

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.settings import parse
from cli.cloud import eks
from cli.cloud.resource import Client
from cli.operations import existing_cluster
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.live import Live
from cli.operations.preflight import kubernetes_version
from cli.operations.preflight.kubernetes_version import SETTING, VersionRequest
from cli.stack import rotation
from infra.contract import versions
from infra.contract.naming import Names

OPTION = "--kubernetes"


def check_written(asked: str) -> None:
    """UserError if it does not read like a version of Kubernetes."""
    try:
        parse(SETTING, asked)
    except UserError as error:
        raise UserError(
            f'"{asked}" is no version of Kubernetes that a cluster can be upgraded to',
            "It is written like 1.36. Nothing was changed.",
            "aws eks describe-cluster-versions",
        ) from error


def check_environment(found: Live, asked: str) -> None:
    """UserError if it has no cluster of its own, or something else on it has begun and not ended."""
    environment, same = found.environment, found.session.same
    if found.shared:
        base = found.outputs.base or "BASE"
        raise UserError(
            f'The cluster of "{environment.name}" is that of its base',
            "It is upgraded once, for all environments on it; they keep running. Nothing was changed.",
            f"./aerodrome upgrade {OPTION} {asked} --env {base}",
        )
    if foreign := existing_cluster.foreign(found.outputs):
        raise UserError(
            f'"{environment.name}" stands in the cluster {foreign}, which is somebody else\'s',
            f"Whoever owns it upgrades it. This version of the kit takes Kubernetes {versions.CLUSTERS.first} to "
            f"{versions.CLUSTERS.last}. Nothing was changed.",
            f"aws eks describe-cluster --name {foreign} --query cluster.version",
        )
    if begun := rotation.unfinished(found.backend):
        raise UserError(
            f'A rotation of "{environment.name}" has begun and not ended: {", ".join(begun)}',
            "It deploys, too. Let it end first. Nothing was changed.",
            f"./aerodrome secrets rotate {begun[-1]}{same}",
        )


def check_version(found: Live, client: Client, region: str, asked: str, running: str) -> None:
    """UserError for a version that EKS, Rancher or Karpenter does not know, for one of before, and for one too far away."""
    requested = RequestedSettings(found.backend.plain(), {})
    rancher = bool(requested.value("rancherEnabled"))
    request = VersionRequest(
        found.environment.name,
        Names(found.environment.name).cluster,
        region,
        asked,
        rancher,
        said_by=OPTION,
    )
    if asked == running:
        return
    offered = eks.offered_versions(client)
    if refusal := kubernetes_version.judge(request, running, offered):
        raise UserError(
            refusal.summary,
            f"{refusal.detail}\nNothing was changed.",
            _instead(found, refusal.value, running),
        )
    unknown = [versions.unmanaged(asked)] if rancher else []
    if requested.value("taskNodes") and not versions.KARPENTER.takes(asked):
        unknown.append(str(versions.KARPENTER))
    if reason := next(filter(None, unknown), ""):
        raise UserError(
            f'Kubernetes {asked} is not for "{found.environment.name}": {reason}',
            "A newer release of the kit may bring one that takes it. Nothing was changed.",
            f"./aerodrome status{found.session.same}",
        )


def _instead(found: Live, value: str, running: str) -> str:
    if value == running:
        return f"./aerodrome status{found.session.same}"
    return f"./aerodrome upgrade {OPTION} {value}{found.session.same}"


def other_changes(environment: Environment, count: int, asked: str, same: str) -> UserError:
    """What is configured, or in this checkout, and not deployed would come along unseen."""
    return UserError(
        f'{count} other change(s) of "{environment.name}" are not deployed yet',
        "The configuration, or this checkout, is another than what was deployed. Deploy that first, or put it back: an "
        "upgrade is to change the version alone. Nothing was changed.",
        f"./aerodrome up{same} && ./aerodrome upgrade {OPTION} {asked}{same}",
    )
