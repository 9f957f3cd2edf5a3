"""An environment that is deployed, with a cluster in memory."""

import base64
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli.base.environments import Environment
from cli.base.values import Secret
from cli.cloud.kubernetes import Object
from cli.operations.live import COMPONENT_LABEL, Live
from tests.charts.rendering import render
from tests.unit.cli.fakes import FakeBackend, FakeKubernetes, FakeSession

MIGRATION = next(one for one in render().objects if one["kind"] == "Job")


class Cluster(FakeKubernetes):
    """With a migration Job, and the Secret of the Fernet key. A Job that is made has ended, with `answer`."""

    def __init__(self, key: str, answer: str = "{}") -> None:
        super().__init__()
        self.key, self.answer = key, answer
        self.made: list[Object] = []
        self.workloads: list[Object] = []
        self.migration: Object = {
            **MIGRATION,
            "metadata": {**MIGRATION["metadata"], "uid": "one", "creationTimestamp": "2027-01-01"},
        }
        self.said: list[str] = []

    namespace = "airflow"

    def find(self, kind: str, name: str, *, namespace: str = "") -> Object | None:
        self._called("find", kind, name)
        if kind != "secret" or not self.key:
            return None
        return {"data": {"fernet-key": base64.b64encode(self.key.encode()).decode()}}

    def objects(self, kind: str, **more: Any) -> list[Object]:
        if kind == "jobs":
            return [self.migration]
        return self.workloads if "deployments" in kind else super().objects(kind, **more)

    def apply(self, item: Object, manager: str) -> Object:
        self.made.append(item)
        return item

    def delete(self, item: Object, **_: Any) -> bool:
        self.calls.append(("delete", item["kind"], item["metadata"]["name"]))
        return True

    def find_same(self, item: Object) -> Object:
        return {**item, "status": {"conditions": [{"type": "Complete", "status": "True"}]}}

    def logs(self, selector: str, *, lines: int) -> list[str]:
        if selector.endswith(self.migration["metadata"]["name"]):
            return self.said
        return ["a line of the log", self.answer]


def pod(component: str, checksum: str, phase: str = "Running") -> Object:
    return {
        "metadata": {
            "name": f"airflow-{component}-{checksum}",
            "labels": {COMPONENT_LABEL: component},
            "annotations": {"checksum/fernet-secret": checksum} if checksum else None,
        },
        "status": {"phase": phase},
    }


@pytest.fixture
def cluster() -> Cluster:
    return Cluster("deployed-key")


@pytest.fixture
def live(session: FakeSession, cluster: Cluster) -> Live:
    backend = FakeBackend(there=5, values={"aerodrome:fernetKey": Secret("deployed-key")})
    return cast(
        Live,
        SimpleNamespace(
            environment=Environment("dev"),
            session=session,
            backend=backend,
            outputs=backend.outputs(),
            kubernetes=cluster,
            shared=False,
        ),
    )
