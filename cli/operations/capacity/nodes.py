"""What a node of an instance type offers to pods, by the type's name, and what EKS's own pods take of it."""

from dataclasses import dataclass

from cli.operations.cost.planned import size_of

_INTERFACES = {
    "large": (3, 10),
    "xlarge": (4, 15),
    "2xlarge": (4, 15),
    **dict.fromkeys(("4xlarge", "8xlarge", "12xlarge"), (8, 30)),
    **dict.fromkeys(("16xlarge", "24xlarge"), (15, 50)),
}
"""Network interfaces and addresses of each, by size, in the families C, M and R. It is the least that AWS's list of limits has
(Karpenter comes with it): the newest generations have more."""

_BURSTABLE = _INTERFACES | {
    "nano": (2, 2),
    "micro": (2, 2),
    "small": (3, 4),
    "medium": (3, 6),
    "large": (3, 12),
}
"""The same in the families T."""

_MOST_PODS, _MOST_PODS_OF_LARGE, _LARGE = 110, 250, 30
"""EKS's own bound, and that of types with so many vCPUs."""

DISKS = 28
"""Disks and network interfaces that a node may have together, on the hypervisor of today's types."""


@dataclass(frozen=True)
class Load:
    """What pods ask for."""

    processors: float = 0.0
    memory: float = 0.0
    """GiB."""

    pods: int = 0

    def __add__(self, other: "Load") -> "Load":
        return Load(
            self.processors + other.processors, self.memory + other.memory, self.pods + other.pods
        )

    def __mul__(self, times: int) -> "Load":
        return Load(self.processors * times, self.memory * times, self.pods * times)


EVERY_NODE = Load(0.18, 0.12, 4)
"""EKS's own pods on each: network, proxy, disks and the agent of pod identities."""

ONE_CLUSTER = Load(0.35, 0.6, 4)
"""Two pods each of EKS's name server and of the controller of disks."""


@dataclass(frozen=True)
class Worker:
    """One worker."""

    room: Load
    """For pods that are not EKS's own."""

    addresses: int
    """Of its subnet: those of all its interfaces, for they are filled before pods ask."""

    disks: int
    """For pods, beside its own."""

    def needed(self, load: Load) -> tuple[int, str]:
        """How many of them carry the load, and what they run out of."""
        each = {
            "memory": load.memory / self.room.memory,
            "vCPU": load.processors / self.room.processors,
            "pods": load.pods / self.room.pods,
        }
        short = max(each, key=lambda name: each[name])
        return -int(-each[short] // 1), short


def node(kind: str) -> Worker | None:
    """A node of this type; None of a family or a size that is not known."""
    size = size_of(kind)
    burstable = kind.startswith("t")
    found = (_BURSTABLE if burstable else _INTERFACES).get(kind.partition(".")[2])
    if size is None or found is None:
        return None
    processors, memory = max(size[0], 2.0) if burstable else size[0], size[1]
    interfaces, addresses = found
    bound = _MOST_PODS_OF_LARGE if processors > _LARGE else _MOST_PODS
    # The first address of an interface is its own; two pods live in the node's network.
    pods = min(interfaces * (addresses - 1) + 2, bound)
    # As EKS's nodes keep for themselves, the last 100 MiB for the kubelet's evictions.
    kept = (255 + 11 * pods + 100) / 1024
    room = Load(
        processors - _kept_processors(processors) - EVERY_NODE.processors,
        memory - kept - EVERY_NODE.memory,
        pods - EVERY_NODE.pods,
    )
    if min(room.processors, room.memory, room.pods) <= 0:
        return None
    return Worker(room, interfaces * addresses, DISKS - interfaces - 1)


def _kept_processors(count: float) -> float:
    """6 % of the first vCPU, 1 % of the second, half a percent of two more, a quarter of the others."""
    parts = ((1, 0.06), (1, 0.01), (2, 0.005), (float("inf"), 0.0025))
    kept, left = 0.0, count
    for most, share in parts:
        taken = min(most, left)
        kept, left = kept + taken * share, left - taken
    return kept
