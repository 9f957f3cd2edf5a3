"""What the program asks for can be found again if its creation is interrupted."""

from collections import Counter

from cli.stack.found import ROWS
from tests.program.recording import Program

OF_THE_CLUSTER = {
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/securityGroupRule:SecurityGroupRule",
    "aws:eks/addon:Addon",
    "aws:eks/cluster:Cluster",
    "aws:eks/nodeGroup:NodeGroup",
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
    "aws:iam/role:Role",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
}
"""What pulumi-eks's components make of the program's."""


def test_every_type_has_a_row(program: Program, shared: Program) -> None:
    made = {each.type for each in [*program.resources, *shared.resources]} | OF_THE_CLUSTER
    ours = ("aws:", "docker-build:")
    assert {each for each in made if each.startswith(ours)} <= set(ROWS)


def test_what_is_found_by_its_tags_has_a_name_of_its_own(program: Program, shared: Program) -> None:
    for one in (program, shared):
        names = Counter(
            (each.type, each.inputs["tags"]["Name"])
            for each in one.resources
            if each.type in ROWS and ROWS[each.type].__qualname__.startswith("_tagged")
        )
        assert set(names.values()) <= {1}, names
