"""The uninstallation of a Helm release without its state: `helm uninstall`, which runs its hooks."""

import subprocess
from pathlib import Path

from cli.base.errors import KitError, UserError
from cli.cloud.kubernetes.kubectl import Kubectl

SECONDS = 300
"""A hook starts a pod: the image may have to be pulled."""


def uninstall(kubectl: Kubectl, release: str, namespace: str, *, hooks: bool = True) -> None:
    """Uninstalls a release and waits for it, without what it would run first if so wanted; KitError with what helm says."""
    with kubectl.kubeconfig_file() as config:
        command = [
            *(_program(kubectl), "uninstall", release, f"--namespace={namespace}"),
            *(f"--kubeconfig={config}", "--wait", "--ignore-not-found", f"--timeout={SECONDS}s"),
            *(() if hooks else ("--no-hooks",)),
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=SECONDS + 30, check=False
            )
        except FileNotFoundError as error:
            raise UserError(
                "helm is not on the PATH", f"It is needed to uninstall {release}."
            ) from error
        except subprocess.TimeoutExpired as error:
            raise KitError(f"`helm uninstall {release}` does not end") from error
    if done.returncode != 0:
        raise KitError(f"`helm uninstall {release}` failed", done.stderr.strip())


def _program(kubectl: Kubectl) -> str:
    """The sandbox's helm lies beside its kubectl."""
    beside = Path(kubectl.program).with_name("helm")
    return str(beside) if beside.is_absolute() and beside.exists() else "helm"
