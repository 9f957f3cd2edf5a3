"""What the program has in a cluster and in a registry: nothing that AWS lists, and most of it free.

How an interrupted creation in a cluster is found again is the same for all kinds of object
(`cli.stack.objects`), and a matter of Helm's for a release (`cli.stack.helm_releases`).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from cli.cloud.catalogue.ec2 import disk
from cli.cloud.catalogue.kind import Charge, Facts, Kind, repeat
from infra.contract.logs import ELASTICSEARCH
from infra.contract.metrics import INFLUXDB, TELEGRAF

RELEASE = "kubernetes:helm.sh/v3:Release"


def _release(facts: Facts) -> Iterable[Charge]:
    """What a chart makes that AWS bills: volumes and load balancers. Pods run on workers."""
    values = facts.get("values")
    influxdb, elasticsearch = _part(values, INFLUXDB), _part(values, ELASTICSEARCH)
    # One that is another's costs nothing here.
    if influxdb and "external" not in influxdb:
        yield _volume("metrics' volume", influxdb)
    if influxdb:
        yield _volume("metrics' buffer", _part(values, TELEGRAF) or {})
    if elasticsearch and "storage" in elasticsearch:
        yield _volume("logs' volume", elasticsearch)
    if influxdb or elasticsearch:
        return
    postgres, ui = _part(values, "postgres"), _part(values, "ui")
    if postgres is None or ui is None:
        # A secret among them, or not a chart of ours.
        yield Charge("what the chart's values ask for", ())
        return
    if postgres.get("enabled"):
        yield _volume("database's volume", postgres)
    if redis := _part(values, "redis"):
        yield _volume("queue's volume", redis)
    if ui.get("serviceType") == "LoadBalancer":
        yield Charge("UI's load balancer", ("elb-classic",))


def _volume(what: str, part: Mapping[str, Any]) -> Charge:
    text = str((_part(part, "storage") or {}).get("size", ""))
    size, detail = re.fullmatch(r"(\d+)Gi", text), f"{text.replace('Gi', ' GB')} gp3"
    return disk(what, int(size[1]), detail) if size else Charge(what, (), detail=detail)


def _part(values: Any, name: str) -> Mapping[str, Any] | None:
    """A part of a chart's values: empty if it is not there, None if it cannot be read."""
    part = values.get(name, {}) if isinstance(values, Mapping) else None
    return part if isinstance(part, Mapping) else None


def _task_nodes(facts: Facts) -> Iterable[Charge]:
    """By the hour that each is there. Of several types the cheapest that fits is taken: the dearest is what it can cost."""
    spec = facts.get("spec")
    template, limits = _part(_part(spec, "template"), "spec"), _part(spec, "limits")
    if not template or not limits:
        return
    wanted = {one["key"]: one["values"] for one in template.get("requirements", ())}
    spot = ", spot where there is any" if "spot" in wanted["karpenter.sh/capacity-type"] else ""
    kinds = tuple(wanted["node.kubernetes.io/instance-type"])
    detail = f"up to {int(limits['nodes'])}, none without tasks{spot}"
    yield Charge("nodes for tasks", kinds, per="node-hour", detail=detail)


KINDS = (
    Kind(type=RELEASE, price=_release),
    Kind(type="kubernetes:core/v1:LimitRange"),
    Kind(type="kubernetes:core/v1:Namespace"),
    # No object of its own: it changes one of the release's.
    Kind(type="kubernetes:core/v1:PersistentVolumeClaimPatch"),
    Kind(type="kubernetes:core/v1:ResourceQuota"),
    Kind(type="kubernetes:core/v1:Secret"),
    Kind(type="kubernetes:karpenter.k8s.aws/v1:EC2NodeClass"),
    Kind(type="kubernetes:karpenter.sh/v1:NodePool", price=_task_nodes),
    Kind(type="kubernetes:networking.k8s.io/v1:NetworkPolicy"),
    Kind(type="kubernetes:storage.k8s.io/v1:StorageClass"),
    # What it pushes is stored, and billed, in the repository.
    Kind(type="docker-build:index:Image", recover=repeat),
)
