"""A cache of Pod Identity associations: the cluster that gives a service account a role.

All clusters of the emulator are the sandbox's one Kubernetes, so a pod does not say which of
them it runs on: the one that has an association for it.
"""

import threading
import time
from collections.abc import Callable
from urllib.parse import quote

from sandbox.aws.pod_identity.aws import EmulatorClient

FRESH = 1.0
"""Seconds for which a found association is taken for still there. One that is not found is
always asked for anew: a pod often follows its association at once."""


class Associations:
    def __init__(self, aws: EmulatorClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._aws = aws
        self._clock = clock
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str], str] = {}
        self._asked = float("-inf")

    def cluster_of(self, namespace: str, service_account: str) -> str | None:
        """The cluster with an association for this service account; None if there is none."""
        with self._lock:
            wanted = namespace, service_account
            if wanted not in self._found or self._clock() - self._asked > FRESH:
                self._asked = self._clock()
                self._found = self._list()
            return self._found.get(wanted)

    def _list(self) -> dict[tuple[str, str], str]:
        found = {}
        for cluster in self._aws.call("eks", "GET", "/clusters")["clusters"]:
            path = f"/clusters/{quote(cluster)}/pod-identity-associations"
            for item in self._aws.call("eks", "GET", path)["associations"]:
                found[item["namespace"], item["serviceAccount"]] = cluster
        return found
