"""How many lines have come since the last look, by environment, told to a StatsD: that none come is an alert of the metrics'.

What is counted are Elasticsearch's documents, so a shipper, a network or a disk that keeps lines away shows alike.
"""

import socket
from collections import Counter
from collections.abc import Mapping

METRIC = "logs_arrived"


def growth(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """By index what it has more than before; an index that was not there begins with nothing, one that was emptied anew."""
    more = {name: count - before.get(name, 0) for name, count in now.items()}
    return {name: count for name, count in more.items() if count > 0}


class Arrivals:
    """What was there at the last look, and whom to tell: `HOST:PORT`, or nobody."""

    def __init__(self, statsd: str) -> None:
        host, _, port = statsd.rpartition(":")
        self._to = (host, int(port)) if host else None
        self._before: Mapping[str, int] | None = None

    @property
    def wanted(self) -> bool:
        """Whether anybody is told."""
        return self._to is not None

    def tell(self, counts: Mapping[str, int], environments: Mapping[str, str]) -> None:
        """Of the counts of all indices, each of an environment. The first look tells nothing: who knows when those came?"""
        before, self._before = self._before, dict(counts)
        if before is None or self._to is None:
            return
        lines: Counter[str] = Counter()
        for name, more in growth(before, counts).items():
            lines[environments[name]] += more
        packets = [
            f"{METRIC},environment={environment}:{count}|c" for environment, count in lines.items()
        ]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for packet in packets:
                sender.sendto(packet.encode(), self._to)
