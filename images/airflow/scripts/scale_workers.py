"""Have as many Celery workers as there are tasks for, between two bounds.

    scale_workers.py NAMESPACE DEPLOYMENT TASKS_EACH FEWEST MOST DELAY QUEUE...

Tasks are those that wait in Redis and those that workers have taken and not finished. More workers come at
once; fewer, once fewer were enough for DELAY seconds: a worker that goes finishes its tasks, but takes no new
ones. A Deployment at zero is left there, as by Kubernetes' own autoscaler: that is how work is stopped.
"""

import json
import math
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BROKER = "AIRFLOW__CELERY__BROKER_URL"
INTERVAL = 5.0
"""Seconds between two looks."""

SIGN_OF_LIFE = Path("/tmp/looked")
"""For the probe: touched at each look, also one that found nothing to ask."""

TAKEN = "unacked"
"""Where Celery's Redis transport keeps what a worker has taken: tasks are confirmed when they have ended."""

IDENTITY = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Bounds:
    """How many workers there may be, and what each does."""

    tasks_each: int
    fewest: int
    most: int
    delay: float

    def needed(self, tasks: int) -> int:
        return min(max(math.ceil(tasks / self.tasks_each), self.fewest), self.most)


class Decision:
    """What to do at each look; remembers how many were needed of late."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._looks: list[tuple[float, int]] = []

    def replicas(self, now: float, tasks: int, present: int) -> int:
        """How many workers there should be."""
        needed = self._bounds.needed(tasks)
        if not self._looks:
            # It has only just begun to look: those that are there were needed, as far as it knows.
            self._looks.append((now, min(present, self._bounds.most)))
        self._looks = [look for look in self._looks if look[0] > now - self._bounds.delay]
        self._looks.append((now, needed))
        if present == 0:
            return 0
        if needed >= present:
            return needed
        return min(present, max(count for _, count in self._looks))


def waiting(broker: Any, queues: list[str]) -> int:
    """Tasks that wait or run."""
    with broker.pipeline(transaction=False) as asked:
        for queue in queues:
            asked.llen(queue)
        asked.hlen(TAKEN)
        return sum(asked.execute())


class Scale:
    """The number of a Deployment's pods, through Kubernetes' API."""

    def __init__(self, namespace: str, deployment: str) -> None:
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        self._url = f"https://{host}:{port}/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}/scale"
        self._trust = ssl.create_default_context(cafile=str(IDENTITY / "ca.crt"))

    def read(self) -> int:
        return int(self._send("GET", None)["spec"].get("replicas", 0))

    def write(self, replicas: int) -> None:
        self._send("PATCH", {"spec": {"replicas": replicas}})

    def _send(self, method: str, body: Any) -> Any:
        request = urllib.request.Request(
            self._url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                # Read each time: Kubernetes replaces it while the pod runs.
                "Authorization": f"Bearer {(IDENTITY / 'token').read_text()}",
                "Content-Type": "application/merge-patch+json",
            },
        )
        with urllib.request.urlopen(request, timeout=10, context=self._trust) as answer:
            return json.load(answer)


def look(decision: Decision, broker: Any, scale: Any, queues: list[str]) -> str:
    """One look, and what follows from it; says what it did."""
    tasks, present = waiting(broker, queues), scale.read()
    wanted = decision.replicas(time.monotonic(), tasks, present)
    if wanted == present:
        return ""
    scale.write(wanted)
    return f"{tasks} tasks: {present} -> {wanted} workers"


def main(arguments: list[str]) -> None:
    """See the module's words."""
    import redis

    namespace, deployment, each, fewest, most, delay, *queues = arguments
    broker = redis.Redis.from_url(os.environ[BROKER], socket_timeout=10)
    scale = Scale(namespace, deployment)
    decision = Decision(Bounds(int(each), int(fewest), int(most), float(delay)))
    while True:
        try:
            done = look(decision, broker, scale, queues)
        except (redis.RedisError, urllib.error.URLError, OSError) as error:
            # Either may be replaced at the moment. redis-py's text names the host, never the password.
            done = f"not now: {error}"
        SIGN_OF_LIFE.touch()
        if done:
            sys.stdout.write(f"{done}\n")
            sys.stdout.flush()
        time.sleep(INTERVAL)


if __name__ == "__main__":
    main(sys.argv[1:])
