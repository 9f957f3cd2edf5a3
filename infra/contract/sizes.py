"""What an environment takes in AWS beside its settings: zones, disks, images. Prices and checks go by it, too."""

from collections.abc import Iterable
from typing import Final

ARCHITECTURE: Final = "x86_64"
"""The processor that the images are built for, as EC2 calls it."""

ZONES: Final = 2
"""EKS asks for subnets in two zones at least; a third would cost transfer and bring little."""

RANCHER_DISK_GB: Final = 40
"""Room for the operating system, k3s's images and Rancher's own database."""


REDIS_DISK_GB: Final = 1
"""A queued task is some kilobytes; the log of changes is rewritten when it has doubled."""


INFLUXDB_DISK_GB: Final = 10
"""`docs/monitoring.md` has what points take of it."""

TELEGRAF_DISK_GB: Final = 1
"""What waits for InfluxDB: a million points."""

ELASTICSEARCH_DISK_GB: Final = 20
"""`docs/logs.md` has what lines take of it."""


def zones(available: Iterable[str]) -> list[str]:
    """The zones that are used, of those in the region that need no opt-in."""
    return sorted(available)[:ZONES]


def images(database: str) -> tuple[str, ...]:
    """The images that an environment runs, as the folders below `images/`: by its setting `database`."""
    return ("airflow", "postgres") if database == "in-cluster" else ("airflow",)
