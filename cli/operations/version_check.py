"""Whether the pinned versions fit each other, and the environments that are configured here: for `doctor`."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from cli.base.environments import Environment
from cli.base.errors import KitError
from cli.operations.bootstrap import requested_settings
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.preflight.refusal import Refusal
from infra.contract import versions
from infra.contract.tenancy import Tenancy


@dataclass(frozen=True)
class VersionCheck:
    """The finding, in the form of the machine's own checks."""

    ok: bool
    found: str
    fix: str
    name: str = "versions"

    def data(self) -> dict[str, str | bool]:
        return asdict(self)


Judge = Callable[[Environment, RequestedSettings], Refusal | None]
"""Says what EKS does not do with the version that an environment asks for. KitError if it cannot be asked."""


def check(
    environments: Iterable[Environment],
    pinned: versions.VersionSet = versions.PINNED,
    judge: Judge = lambda environment, requested: None,
) -> VersionCheck:
    """Every misfit by name; the fix is that of the first."""
    release = "take the pinned versions as the kit's release has them (infra/contract/versions.py)"
    wrong = [(misfit, release) for misfit in versions.misfits(pinned)]
    unknown = []
    for environment in environments:
        settings = requested_settings.read(environment)
        if settings.value("tenancy") == Tenancy.shared:
            continue
        wrong += _managed(environment, settings)
        try:
            refusal = judge(environment, settings)
        except KitError as error:
            unknown.append(f"EKS was not asked about {environment.name}: {error.summary}")
        else:
            if refusal:
                said = f"{environment.name}: {refusal.summary}. {refusal.detail}"
                wrong.append((said, refusal.command(environment)))
    fitting = f"Rancher {pinned.rancher}, k3s {pinned.k3s}, cert-manager {pinned.cert_manager}"
    found = [said for said, _ in wrong] or [fitting]
    return VersionCheck(not wrong, "; ".join([*found, *unknown]), (wrong or [("", release)])[0][1])


def _managed(environment: Environment, settings: RequestedSettings) -> list[tuple[str, str]]:
    """What Rancher says of the version, and the fix."""
    version = settings.value("kubernetesVersion")
    reason = versions.unmanaged(version) if settings.value("rancherEnabled") else ""
    if not reason:
        return []
    newest = list(versions.managed())[-1]
    fix = f"./aerodrome config set kubernetesVersion {newest} --env {environment.name}"
    return [(f"{environment.name} has Kubernetes {version}: {reason}", fix)]
