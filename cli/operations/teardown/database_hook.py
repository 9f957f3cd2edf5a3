"""What drops the database of a shared environment, brought up to date before it runs.

The hook in the release names the image that its base had when the environment was last brought up. Images go
from a registry sooner than environments do; the one that the base's pods run is there.
"""

from cli.cloud.kubernetes import Kubernetes, main_container
from cli.operations.teardown.report import Report
from cli.operations.teardown.target import Target
from cli.stack import helm_releases
from infra.contract.executors import SCHEDULER
from infra.contract.naming import Names

_PODS = f"app.kubernetes.io/name=airflow,app.kubernetes.io/component={SCHEDULER}"


def renew(target: Target, report: Report) -> None:
    """Gives the hook the image of its base's pods."""
    kubernetes = target.kubernetes
    if kubernetes is None or not target.shared:
        return
    namespace = Names(target.base).namespace
    last = helm_releases.last_revision(kubernetes, target.names.database_release, namespace)
    if last is None:
        return
    image = _present_image(kubernetes, namespace)
    if not image:
        report.note(f"{target.base} has no {SCHEDULER}: its image is not known")
        return
    renewed = helm_releases.with_hook_image(last, image)
    if renewed is not None:
        kubernetes.replace(renewed)
        report.note(f"the database is dropped with the present image of {target.base}: {image}")


def _present_image(kubernetes: Kubernetes, namespace: str) -> str:
    found = kubernetes.objects("deployments", selector=_PODS, namespace=namespace)
    for deployment in found:
        pod = deployment["spec"]["template"]
        for container in pod["spec"]["containers"]:
            if container["name"] == main_container(pod):
                return str(container["image"])
    return ""
