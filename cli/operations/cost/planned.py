"""The things that an environment's settings will make, on either rung: the cost before the first `up`.

Only what costs something; a test compares them with what the program registers.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml

from cli.base.paths import ROOT
from cli.cloud.catalogue.kubernetes import RELEASE
from cli.operations.bootstrap.wishes import Wishes
from cli.operations.cost.prices import Prices
from cli.operations.cost.things import Line, Thing
from infra.naming import Names

RANCHER_DISK_GB = 40
"""infra/rancher.py"""

ALWAYS_ON = ("apiServer", "scheduler", "dagProcessor", "triggerer")
"""The pods of a shared environment: its database is its base's."""

MEMORY = {"c": 2, "m": 4, "r": 8, "t": 4}
"""GiB for each vCPU, by the first letter of an instance family; a `large` has two."""


def dedicated(wanted: Wishes, environment: str) -> list[Thing]:
    """Everything of its own."""
    names, rds = Names(environment), wanted.value("database") == "rds"
    images = ["airflow"] if rds else ["airflow", "postgres"]
    return [
        Thing("aws:eks/cluster:Cluster", names.cluster),
        Thing("aws:kms/key:Key", names.of("secrets")),
        Thing("aws:cloudwatch/logGroup:LogGroup", names.control_plane_log_group),
        Thing("aws:eks/nodeGroup:NodeGroup", names.of("workers"), _workers(wanted)),
        Thing("aws:ec2/natGateway:NatGateway", names.of("nat")),
        Thing("aws:ec2/eip:Eip", names.of("nat")),
        *_rancher(wanted, names),
        *_database(wanted, names),
        Thing("aws:s3/bucket:Bucket", names.of("logs")),
        *(Thing("aws:ecr/repository:Repository", names.of(image)) for image in images),
        Thing(RELEASE, names.of("airflow"), _release(wanted, own_database=not rds)),
    ]


def shared(wanted: Wishes, environment: str) -> list[Thing]:
    """What is its own in the house of its base. Its logs and images are in the base's bucket and
    repository, where they are billed by use."""
    release = _release(wanted, own_database=False)
    return [Thing(RELEASE, Names(environment, shared=True).of("airflow"), release)]


def pods(wanted: Wishes, prices: Prices) -> Line:
    """The share of the base's workers that a shared environment takes while no task runs."""
    kind = str(wanted.value("nodeInstanceTypes")[0])
    processors, memory = requests()
    price, size = prices.rate(kind), _size(prices, kind)
    share = None if price is None or size is None else max(processors / size[0], memory / size[1])
    return Line(
        "pods",
        "Airflow's",
        None if price is None or share is None else price * share,
        f"{processors:g} vCPU and {memory:g} GiB of one {kind}",
    )


@cache
def requests() -> tuple[float, float]:
    """vCPUs and GiB that the chart asks for."""
    values = yaml.safe_load((ROOT / "charts" / "airflow" / "values.yaml").read_text())
    asked = [
        (int(values[name]["replicas"]), values[name]["resources"]["requests"]) for name in ALWAYS_ON
    ]
    return (
        round(sum(count * _quantity(each["cpu"]) for count, each in asked), 3),
        round(sum(count * _quantity(each["memory"]) for count, each in asked), 3),
    )


def _quantity(text: str) -> float:
    """Kubernetes' `100m` as 0.1, `512Mi` as 0.5 (GiB)."""
    found = re.fullmatch(r"([0-9.]+)(m|Mi|Gi|)", str(text))
    if found is None:
        raise ValueError(f"{text} is no quantity that the chart's values have")
    return float(found[1]) * {"m": 1 / 1000, "Mi": 1 / 1024, "Gi": 1.0, "": 1.0}[found[2]]


def _size(prices: Prices, kind: str) -> tuple[float, float] | None:
    """vCPUs and GiB of an instance type, by its name."""
    per_vcpu = MEMORY.get(kind[:1])
    times = prices.times_large(kind)
    return None if per_vcpu is None or times is None else (2 * times, 2 * times * per_vcpu)


def _workers(wanted: Wishes) -> dict[str, Any]:
    return {
        "instanceTypes": list(wanted.value("nodeInstanceTypes")),
        "capacityType": "SPOT" if wanted.value("spot") else "ON_DEMAND",
        "diskSize": wanted.value("nodeDiskGb"),
        "scalingConfig": {"desiredSize": wanted.value("nodeDesired")},
    }


def _rancher(wanted: Wishes, names: Names) -> Iterator[Thing]:
    if not wanted.value("rancherEnabled"):
        return
    inputs = {
        "instanceType": wanted.value("rancherInstanceType"),
        "rootBlockDevice": {"volumeSize": RANCHER_DISK_GB},
    }
    yield Thing("aws:ec2/instance:Instance", names.of("rancher"), inputs)
    yield Thing("aws:ec2/eip:Eip", names.of("rancher"))


def _database(wanted: Wishes, names: Names) -> Iterator[Thing]:
    if wanted.value("database") == "rds":
        inputs = {
            "instanceClass": wanted.value("databaseInstanceClass"),
            "allocatedStorage": wanted.value("databaseStorageGb"),
            "multiAz": wanted.value("protect"),
        }
        yield Thing("aws:rds/instance:Instance", names.of("database"), inputs)


def _release(wanted: Wishes, *, own_database: bool) -> dict[str, Any]:
    size = f"{wanted.value('databaseStorageGb')}Gi"
    return {
        "values": {
            "postgres": {"enabled": own_database, "storage": {"size": size}},
            "ui": {"serviceType": wanted.value("uiServiceType")},
        }
    }
