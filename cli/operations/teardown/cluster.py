"""What lives in the cluster and has something in the cloud: load balancers, disks, nodes.

Their controllers delete those, and only while they run. So this comes before the engine, which
removes the controllers; and the cloud is asked whether they did.
"""

from collections.abc import Iterable

from cli.cloud.clearing import clear
from cli.cloud.kubernetes import Kubernetes, Object, reference
from cli.cloud.ownership import POOL_TAG
from cli.cloud.patience import Patience
from cli.operations.teardown.report import Report
from cli.operations.teardown.target import Target
from cli.operations.teardown.waiting import until_none

LOAD_BALANCING = "elasticloadbalancing"
SYSTEM = ("kube-system",)
ORPHANS = ("instance", "launch-template")
"""What Karpenter makes in EC2, with that tag on it."""

WORKLOADS = "statefulsets,deployments"


def load_balancers(target: Target, report: Report) -> None:
    """Ingresses and Services of type LoadBalancer; then the cloud must list none."""
    kubernetes = target.kubernetes
    if kubernetes is not None:
        doomed = _objects(target, kubernetes, "ingresses.networking.k8s.io") + [
            item
            for item in _objects(target, kubernetes, "services")
            if item["spec"].get("type") == "LoadBalancer"
        ]

        def balancers() -> list[str]:
            return [resource.label for resource in target.found([LOAD_BALANCING])]

        before = balancers() if doomed else []
        _delete(kubernetes, doomed, report)
        if before:
            left = until_none(
                balancers, target.limits.cluster, target.limits.pause, report.deleted, before
            )
            if left:
                report.note(f"no controller deleted these: {', '.join(left)}")
        if target.foreign:
            _await(target, kubernetes, doomed, report)
    # Orphans: their finalizer, or their controller, did not live to do it.
    clear(
        target.client,
        target.name,
        report.log_line,
        services=[LOAD_BALANCING],
        region=target.region,
        patience=Patience(60.0, 10.0, target.limits.pause),
    )


def _await(
    target: Target, kubernetes: Kubernetes, doomed: Iterable[Object], report: Report
) -> None:
    """In another's cluster load balancers bear its name, and no tag of ours: their objects' finalizers tell of them."""

    def left() -> list[str]:
        return [
            f"{str(item['kind']).lower()} {_space(item)}/{_name(item)}"
            for item in doomed
            if kubernetes.find_same(item)
        ]

    stay = until_none(left, target.limits.cluster, target.limits.pause, lambda what: None)
    if stay:
        report.note(f"no controller let go of these: {', '.join(stay)}")


def volumes(target: Target, report: Report) -> None:
    """Claims: what uses them, then themselves, until their disks are gone."""
    kubernetes = target.kubernetes
    if kubernetes is None:
        report.note("there is no cluster: its disks are looked for in the cloud")
        return
    claims = _objects(target, kubernetes, "persistentvolumeclaims")
    names = {(_space(item), _name(item)) for item in claims}
    if not names:
        return
    _stop_users(target, kubernetes, names, report)
    disks = {item["spec"].get("volumeName") for item in claims} - {None}
    for name in sorted(disks):
        # A class that retains keeps the disk when its claim goes: nobody would ever delete it.
        change = {"spec": {"persistentVolumeReclaimPolicy": "Delete"}}
        kubernetes.patch(reference("v1", "PersistentVolume", name), change)
    _delete(kubernetes, claims, report)

    def left() -> list[str]:
        found = kubernetes.objects("persistentvolumes", everywhere=True)
        return sorted(_name(item) for item in found if _claim(item) in names)

    stay = until_none(
        left, target.limits.cluster, target.limits.pause, report.deleted, before=disks
    )
    if stay:
        report.note(f"these disks were not deleted: {', '.join(stay)}")


def _stop_users(
    target: Target, kubernetes: Kubernetes, claims: set[tuple[str, str]], report: Report
) -> None:
    """A claim goes when the last pod that uses it does."""
    for item in _objects(target, kubernetes, WORKLOADS):
        space, kind = _space(item), str(item["kind"]).lower()
        template = item["spec"]["template"]["spec"]
        makes = bool(item["spec"].get("volumeClaimTemplates"))
        if item["spec"].get("replicas") and (makes or _uses(space, template, claims)):
            kubernetes.patch(item, {"spec": {"replicas": 0}})
            report.note(f"{kind} {space}/{_name(item)} is scaled to zero")
    pods = [
        item
        for item in _objects(target, kubernetes, "pods")
        if _uses(_space(item), item["spec"], claims)
    ]
    _delete(kubernetes, pods, report)


def _uses(space: str, pod: Object, claims: set[tuple[str, str]]) -> bool:
    named = (item.get("persistentVolumeClaim", {}) for item in pod.get("volumes", ()))
    return any((space, claim.get("claimName")) in claims for claim in named)


def _claim(volume: Object) -> tuple[str, str]:
    claim = volume["spec"].get("claimRef") or {}
    return str(claim.get("namespace", "")), str(claim.get("name", ""))


def node_pools(target: Target, report: Report) -> None:
    """Karpenter's nodes are in no state: it deletes them itself when their pools are deleted. What is left is
    terminated here: it holds on to subnets that the engine is about to delete."""
    if target.shared or target.foreign:
        return
    kubernetes = target.kubernetes
    if kubernetes is not None:
        if kubernetes.find("customresourcedefinition", "nodepools.karpenter.sh") is None:
            return
        _delete_pools(target, kubernetes, report)
    clear(
        target.client,
        target.name,
        report.log_line,
        services=["ec2"],
        region=target.region,
        patience=Patience(60.0, 10.0, target.limits.pause),
        wanted=lambda item: item.kind in ORPHANS and POOL_TAG in item.tags,
    )


def _delete_pools(target: Target, kubernetes: Kubernetes, report: Report) -> None:

    def claims() -> list[str]:
        found = kubernetes.objects("nodeclaims.karpenter.sh", everywhere=True)
        return sorted(f"nodeclaim {_name(item)}" for item in found)

    before = claims()
    _delete(kubernetes, kubernetes.objects("nodepools.karpenter.sh", everywhere=True), report)
    stay = until_none(claims, target.limits.cluster, target.limits.pause, report.deleted, before)
    if stay:
        report.note(f"Karpenter did not delete these: {', '.join(stay)}")
        _let_go(kubernetes)


def _let_go(kubernetes: Kubernetes) -> None:
    """Takes off the finalizers by which a Karpenter that is dead keeps its things, and with them the engine."""
    for kind in ("nodeclaims.karpenter.sh", "ec2nodeclasses.karpenter.k8s.aws"):
        if kubernetes.find("customresourcedefinition", kind) is None:
            continue
        for item in kubernetes.objects(kind, everywhere=True):
            kubernetes.patch(item, {"metadata": {"finalizers": []}})


def _objects(target: Target, kubernetes: Kubernetes, kind: str) -> list[Object]:
    """Of the environment: of its namespaces, or of the whole cluster if that is its own."""
    found = objects(kubernetes, kind, target.spaces(kubernetes))
    return [item for item in found if _space(item) not in SYSTEM]


def objects(kubernetes: Kubernetes, kind: str, spaces: list[str] | None) -> list[Object]:
    """The objects of a kind in these namespaces; None: everywhere."""
    if spaces is None:
        return kubernetes.objects(kind, everywhere=True)
    return [item for space in spaces for item in kubernetes.objects(kind, namespace=space)]


def _delete(kubernetes: Kubernetes, items: Iterable[Object], report: Report) -> None:
    for item in items:
        kind, space = str(item["kind"]).lower(), _space(item)
        if kubernetes.delete(item):
            report.deleted(f"{kind} {space}/{_name(item)}" if space else f"{kind} {_name(item)}")


def _space(item: Object) -> str:
    return str(item["metadata"].get("namespace", ""))


def _name(item: Object) -> str:
    return str(item["metadata"]["name"])
