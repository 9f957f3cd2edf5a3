"""A run that was killed before it knew that Kubernetes had made an object: it is made again, and is one."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.cloud.kubernetes import reference
from tests.promises.test_interrupted_release import ClusterStack

PROGRAM = """
import pulumi_kubernetes as k8s
provider = k8s.Provider("cluster", kubeconfig=open("KUBECONFIG").read())
def meta(name, **more): return {"name": name, "namespace": "default", **more}
o = O(provider=provider)
k8s.core.v1.Namespace("n", metadata={"name": "interrupted", "labels": {"a": "b"}}, opts=o)
k8s.core.v1.Secret("s", metadata=meta("s"), string_data={"key": pulumi.Output.secret("value")}, opts=o)
k8s.core.v1.LimitRange("l", metadata=meta("l"), spec={"limits": [
    {"type": "Container", "default": {"memory": "1Gi"}}]}, opts=o)
# Nobody here counts for it.
k8s.core.v1.ResourceQuota("q", metadata=meta("q", annotations={"pulumi.com/skipAwait": "true"}), spec={"hard": {"pods": "9"}}, opts=o)
k8s.networking.v1.NetworkPolicy("p", metadata=meta("p"), spec={
    "pod_selector": {}, "policy_types": ["Ingress"]}, opts=o)
k8s.storage.v1.StorageClass("c", metadata={"name": "interrupted"}, provisioner="tests/none", opts=o)
"""


@pytest.fixture
def stack(tmp_path: Path, api_server: str) -> Iterator[ClusterStack]:
    made = ClusterStack(tmp_path, api_server)
    yield made
    made.clear()


def forget(stack: ClusterStack) -> int:
    """Turns each object in the state into a creation that was begun; how many."""
    document = json.loads(stack.checkpoint.read_text())
    latest = document["checkpoint"]["latest"]
    made = [each for each in latest["resources"] if each["type"].startswith("kubernetes:")]
    latest["resources"] = [each for each in latest["resources"] if each not in made]
    latest["pending_operations"] = [
        {
            "type": "creating",
            "resource": {key: each[key] for key in each if key not in ("id", "outputs")},
        }
        for each in made
    ]
    stack.checkpoint.write_text(json.dumps(document))
    return len(made)


def test_objects_that_were_made_unseen_are_taken_over(stack: ClusterStack) -> None:
    stack.program(PROGRAM.replace("KUBECONFIG", str(stack.kubeconfig)))
    stack.driver().create()
    stack.up()
    before = stack.kubernetes.find("secret", "s")
    assert forget(stack) == 6
    stack.up()
    after = stack.kubernetes.find("secret", "s")
    assert before is not None and after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert stack.up().changed == 0
    stack.kubernetes.delete(reference("v1", "Namespace", "interrupted"))
