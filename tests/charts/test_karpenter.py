"""Karpenter's own charts take what the program tells them, as the release has them that is pinned.

The definitions are read as the API server reads them, but for their rules in CEL, which need a real one.
"""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from infra.contract.versions import KARPENTER, KARPENTER_VERSION
from infra.task_nodes import NAMESPACE, SERVICE_ACCOUNT
from sandbox import tools
from sandbox.errors import UserError
from sandbox.setup.go_tools import KARPENTER as MODULE
from tests.charts.rendering import Object, Rendered, render_exactly
from tests.program.recording import SECRETS, Program, run_program

KINDS = {
    "NodePool": ("karpenter.sh/v1", "karpenter.sh_nodepools.yaml"),
    "EC2NodeClass": ("karpenter.k8s.aws/v1", "karpenter.k8s.aws_ec2nodeclasses.yaml"),
}


def charts() -> Path:
    """Of Karpenter's release, which set-up fetches for the tests alone: without it there is nothing to compare with."""
    try:
        return tools.karpenter()
    except UserError:
        pytest.skip("set-up has not been run for the tests")


@pytest.fixture(scope="module")
def program() -> Program:
    config = {"environment": "test", "taskNodes": "true", "taskNodeSpot": "true", "nodeMin": "2"}
    return run_program(config, SECRETS)


@pytest.fixture(scope="module")
def rendered(program: Program) -> Rendered:
    release = program.one("kubernetes:helm.sh/v3:Release", "-karpenter").inputs
    chart = charts() / "karpenter"
    found = render_exactly(dict(release["values"]), release["name"], release["namespace"], chart)
    assert not found.error
    return found


def spec(program: Program, kind: str) -> Object:
    """With subnets' ids as AWS gives them: the recording makes them up."""
    asked: Object = program.one(f"kubernetes:{KINDS[kind][0]}:{kind}").inputs["spec"]
    subnets = asked.get("subnetSelectorTerms", [])
    return asked | (
        {"subnetSelectorTerms": [{"id": "subnet-0a"} for _ in subnets]} if subnets else {}
    )


def schema(kind: str) -> Object:
    """Of the kind's `spec`; what it does not know is refused, as Pulumi's server-side apply does."""
    folder = charts() / "karpenter-crd" / "templates"
    # The rest of the file is YAML; Helm fills in annotations alone.
    text = "\n".join(
        line for line in (folder / KINDS[kind][1]).read_text().splitlines() if "{{" not in line
    )
    (version,) = (one for one in yaml.safe_load(text)["spec"]["versions"] if one["name"] == "v1")
    return closed(version["schema"]["openAPIV3Schema"]["properties"]["spec"])


def closed(node: Any) -> Any:
    if isinstance(node, list):
        return [closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    found = {key: closed(value) for key, value in node.items()}
    if isinstance(node.get("properties"), dict) and node.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_definitions_take_what_the_program_asks_for(program: Program, kind: str) -> None:
    jsonschema.validate(spec(program, kind), schema(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_what_they_do_not_know_is_refused(program: Program, kind: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**spec(program, kind), "unknownField": 1}, schema(kind))


def environment(rendered: Rendered) -> dict[str, str]:
    (container,) = rendered.find("Deployment", "karpenter")["spec"]["template"]["spec"][
        "containers"
    ]
    return {one["name"]: one["value"] for one in container["env"] if "value" in one}


def test_the_controller_knows_its_cluster_and_its_queue(
    program: Program, rendered: Rendered
) -> None:
    told = environment(rendered)
    assert told["CLUSTER_NAME"] == "cluster"
    queue = program.one("aws:sqs/queue:Queue")
    assert told["INTERRUPTION_QUEUE"] == queue.name


def test_its_pods_have_the_account_that_the_role_is_for(rendered: Rendered) -> None:
    deployment = rendered.find("Deployment", "karpenter")
    assert deployment["metadata"]["namespace"] == NAMESPACE
    assert deployment["spec"]["template"]["spec"]["serviceAccountName"] == SERVICE_ACCOUNT
    assert deployment["spec"]["replicas"] == 2


def test_it_runs_on_no_node_that_it_may_take_away(rendered: Rendered) -> None:
    pod = rendered.find("Deployment", "karpenter")["spec"]["template"]["spec"]
    affinity = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    rule = {"key": "karpenter.sh/nodepool", "operator": "DoesNotExist"}
    assert affinity["nodeSelectorTerms"] == [{"matchExpressions": [rule]}]


def test_the_module_is_of_the_release_that_is_pinned() -> None:
    text = (tools.KARPENTER_MODULE / "go.mod").read_text()
    found = re.search(rf"{re.escape(MODULE)} v(\S+)", text)
    assert found is not None
    assert found[1] == KARPENTER_VERSION
    assert KARPENTER.source.endswith(f"v{KARPENTER_VERSION}")
