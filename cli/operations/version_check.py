"""Whether the pinned versions fit each other, and the environments that are configured here: for `doctor`."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from cli.base.environments import Environment
from cli.operations.bootstrap import requested_settings
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


def check(
    environments: Iterable[Environment], pinned: versions.VersionSet = versions.PINNED
) -> VersionCheck:
    """Every misfit by name; the fix is that of the first."""
    wrong = versions.misfits(pinned)
    fix = "take the pinned versions as the kit's release has them (infra/contract/versions.py)"
    for environment in environments:
        settings = requested_settings.read(environment)
        if settings.value("tenancy") == Tenancy.shared or not settings.value("rancherEnabled"):
            continue
        version = settings.value("kubernetesVersion")
        if reason := versions.unmanaged(version):
            if not wrong:
                newest = list(versions.managed())[-1]
                fix = f"./aerodrome config set kubernetesVersion {newest} --env {environment.name}"
            wrong.append(f"{environment.name} has Kubernetes {version}: {reason}")
    fitting = f"Rancher {pinned.rancher}, k3s {pinned.k3s}, cert-manager {pinned.cert_manager}"
    return VersionCheck(not wrong, "; ".join(wrong) or fitting, fix)
