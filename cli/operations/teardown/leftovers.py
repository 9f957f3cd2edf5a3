"""After the engine: what no state knew of, in the cluster and in the cloud; and the inventory."""

from collections.abc import Callable
from dataclasses import dataclass

from cli.base.errors import KitError
from cli.cloud.clearing import Left, clear
from cli.cloud.kubernetes import SECONDS, Kubernetes, Object, Unreachable
from cli.cloud.resource import Resource
from cli.operations.teardown import foreign
from cli.operations.teardown.helm import uninstall
from cli.operations.teardown.report import Report
from cli.operations.teardown.target import Target
from cli.stack import helm_releases
from infra.contract.naming import LABEL_ENVIRONMENT, Names

HOOKS = "jobs,secrets,configmaps"
"""What a Helm hook may leave: it belongs to no release and to no state."""

FINAL = "-final"
"""How the last snapshot of a protected environment's database ends: the program asks for it."""


@dataclass(frozen=True)
class Remnant:
    """Something of the environment that is still there, and the command that shows it."""

    label: str
    show: str
    reason: str = ""

    def lines(self) -> list[str]:
        return [self.label, *([f"    {self.reason}"] if self.reason else []), f"    {self.show}"]


def in_cluster(target: Target, report: Report) -> None:
    """Its own things in its base's cluster, or in another's, where the engine did not find them."""
    foreign.clear(target, report)
    kubernetes = target.kubernetes
    if kubernetes is None or not target.shared:
        return
    try:
        if _release(target, kubernetes):
            uninstall(kubernetes.kubectl, target.names.database_release, _base_namespace(target))
            report.deleted(f"database {target.names.database} of {target.base}")
        for item in _hooks(target, kubernetes):
            kubernetes.delete(item, seconds=SECONDS)
            report.deleted(f"{item['kind'].lower()} {item['metadata']['name']}")
        if namespace := _namespace(target, kubernetes):
            kubernetes.delete(namespace, seconds=target.limits.cluster)
            report.deleted(f"namespace {target.names.namespace}")
    except Unreachable as error:
        report.note(f"the cluster does not answer: {error.detail}")
    except KitError as error:
        report.note(f"{error.summary}: {error.detail}")


def _base_namespace(target: Target) -> str:
    return Names(target.base).namespace


def _namespace(target: Target, kubernetes: Kubernetes) -> Object | None:
    return kubernetes.find("namespace", target.names.namespace)


def _release(target: Target, kubernetes: Kubernetes) -> bool:
    """Whether the release that made the database is there: what it made goes with it."""
    release, namespace = target.names.database_release, _base_namespace(target)
    return helm_releases.last_revision(kubernetes, release, namespace) is not None


def _hooks(target: Target, kubernetes: Kubernetes) -> list[Object]:
    selector = f"{LABEL_ENVIRONMENT}={target.name}"
    return kubernetes.objects(HOOKS, selector=selector, namespace=_base_namespace(target))


def in_cloud(target: Target, report: Report) -> list[Left]:
    """Everything by tag, cluster, path and name; what could not be deleted comes back."""
    return clear(
        target.client,
        target.name,
        report.log_line,
        region=target.region,
        patience=target.limits.cloud,
        wanted=lambda resource: not is_kept(target, resource),
    )


def is_kept(target: Target, resource: Resource) -> bool:
    """The last snapshot of a protected database stays: somebody wanted it to outlive everything."""
    return (
        target.protected
        and (resource.service, resource.kind) == ("rds", "snapshot")
        and resource.id.endswith(FINAL)
    )


def kept(target: Target) -> list[Resource]:
    return [resource for resource in target.found(["rds"]) if is_kept(target, resource)]


def inventory(target: Target, left: list[Left]) -> list[Remnant]:
    """What is still there. The cloud was asked after the last deletion: `left` is its answer."""
    found = [
        Remnant(f"{item.resource.label} ({item.resource.arn})", item.resource.show, item.reason)
        for item in left
    ]
    return [*_cluster_remnants(target), *_foreign_remnants(target), *found]


def _foreign_remnants(target: Target) -> list[Remnant]:
    if not target.foreign:
        return []
    try:
        return [Remnant(item.label, item.show) for item in foreign.left(target)]
    except KitError as error:
        show = f"aws eks describe-cluster --name {target.cluster}"
        return [Remnant(f"cluster {target.cluster} cannot be looked at", show, error.summary)]


def _cluster_remnants(target: Target) -> list[Remnant]:
    kubernetes = target.kubernetes
    if kubernetes is None or not target.shared:
        return []
    namespace, base = target.names.namespace, _base_namespace(target)
    looks: list[tuple[Callable[[Target, Kubernetes], object], str, str]] = [
        (_namespace, f"namespace {namespace}", f"kubectl get all --namespace {namespace}"),
        (
            _release,
            f"database {target.names.database} of {target.base}",
            f"kubectl logs --namespace {base} job/{target.names.database_release}-drop",
        ),
        (
            _hooks,
            f"hook objects of {target.name}",
            f"kubectl get {HOOKS} --namespace {base} --selector {LABEL_ENVIRONMENT}={target.name}",
        ),
    ]
    try:
        return [Remnant(label, show) for look, label, show in looks if look(target, kubernetes)]
    except KitError as error:
        return [Remnant(f"cluster {target.cluster}", "kubectl cluster-info", error.summary)]
