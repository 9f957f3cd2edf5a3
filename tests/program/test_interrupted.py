"""What the program asks for can be told from its neighbours if its creation is interrupted."""

from collections import Counter

from cli.cloud.catalogue import BY_TYPE, ec2
from tests.program.recording import Program


def test_what_is_found_by_its_tags_has_a_name_of_its_own(program: Program, shared: Program) -> None:
    by_tags = {kind.type for kind in ec2.KINDS if kind.list} & BY_TYPE.keys()
    for one in (program, shared):
        names = Counter(
            (each.type, each.inputs["tags"]["Name"])
            for each in one.resources
            if each.type in by_tags
        )
        assert set(names.values()) <= {1}, names
