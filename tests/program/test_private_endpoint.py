"""The Kubernetes API inside of the VPC only: what the program makes, and what leads there."""

import json
from typing import Any

from infra.contract.api_endpoints import DOCUMENT
from tests.program.recording import SECRETS, Program, run_program

ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
POLICY = "aws:iam/policy:Policy"


def cluster(program: Program) -> Any:
    return program.one("eks:index:Cluster").inputs


def sessions(program: Program) -> list[Any]:
    return [one for one in program.of_type(ROLE_POLICY) if one.name.endswith("-node-sessions")]


def tunnels(program: Program) -> list[Any]:
    return [one for one in program.of_type(POLICY) if one.name.endswith("-tunnel")]


def test_the_api_is_public_as_long_as_nobody_says_otherwise(program: Program) -> None:
    assert cluster(program)["endpointPublicAccess"] is True
    assert cluster(program)["publicAccessCidrs"] == ["0.0.0.0/0"]
    assert sessions(program) == []
    assert tunnels(program) == []


def test_a_private_api_has_no_public_address_and_its_nodes_take_sessions() -> None:
    program = run_program({"environment": "test", "endpointAccess": "private"}, SECRETS)
    inputs = cluster(program)
    assert inputs["endpointPublicAccess"] is False
    assert inputs["endpointPrivateAccess"] is True
    # EKS refuses them for an endpoint that is not public.
    assert "publicAccessCidrs" not in inputs
    (policy,) = sessions(program)
    assert policy.inputs["role"] == "aerodrome-test-node-id"
    actions = [
        action
        for statement in json.loads(policy.inputs["policy"])["Statement"]
        for action in statement["Action"]
    ]
    # AWS's own policy for agents reads parameters: the secrets of other programs.
    assert not [action for action in actions if "Get" in action or "*" in action]
    assert program.depends_on(program.one("eks:index:ManagedNodeGroup"), policy)


def test_either_way_leads_to_an_api_that_is_about_to_be_private() -> None:
    program = run_program({"environment": "test", "endpointAccess": "both"}, SECRETS)
    assert cluster(program)["endpointPublicAccess"] is True
    assert cluster(program)["publicAccessCidrs"] == ["0.0.0.0/0"]
    assert len(sessions(program)) == len(tunnels(program)) == 1


def test_whoever_may_open_a_tunnel_may_open_nothing_else() -> None:
    program = run_program({"environment": "test", "endpointAccess": "private"}, SECRETS)
    (policy,) = tunnels(program)
    found = {one["Sid"]: one for one in json.loads(policy.inputs["policy"])["Statement"]}
    opened, document = found["OpenTunnel"], found["ByThisDocument"]
    assert opened["Condition"]["StringEquals"] == {
        "aws:ResourceTag/eks:cluster-name": "aerodrome-test"
    }
    assert opened["Condition"]["BoolIfExists"] == {"ssm:SessionDocumentAccessCheck": "true"}
    (resource,) = document["Resource"]
    assert resource.endswith(f"::document/{DOCUMENT}")
    assert all(":session/${aws:user" in one for one in found["KeepOwnSessions"]["Resource"])
    groups = {
        one.inputs["group"]
        for one in program.of_type("aws:iam/groupPolicyAttachment:GroupPolicyAttachment")
        if one.name.endswith("-tunnel")
    }
    assert len(groups) == 1


def test_the_rancher_server_keeps_its_own_networks() -> None:
    program = run_program(
        {
            "environment": "test",
            "endpointAccess": "private",
            "publicAccessCidrs": '["192.0.2.0/24"]',
        },
        SECRETS,
    )
    allowed = [
        rule.inputs["cidrBlocks"]
        for rule in program.of_type("aws:ec2/securityGroupRule:SecurityGroupRule")
        if rule.inputs["type"] == "ingress" and "-rancher-" in rule.name
    ]
    assert allowed
    assert all(one == ["192.0.2.0/24"] for one in allowed)
