"""What ECR is told to forget."""

import json

from infra.contract.naming import Names, branch_environment
from infra.registry import KEPT_IMAGES, KEPT_OF_BRANCHES, lifecycle_policy


def selections() -> list[dict[str, object]]:
    rules = json.loads(lifecycle_policy(Names("dev").image_tag_prefix))["rules"]
    assert [rule["rulePriority"] for rule in rules] == [1, 2, 3]
    return [rule["selection"] for rule in rules]


def test_images_of_branches_never_crowd_out_those_of_the_environment() -> None:
    # What an earlier rule selects by its tag is out of the reach of a later one.
    _, own, others = selections()
    assert own == {
        "tagStatus": "tagged",
        "tagPrefixList": ["dev."],
        "countType": "imageCountMoreThan",
        "countNumber": KEPT_IMAGES,
    }
    assert others["tagStatus"] == "any"
    assert others["countNumber"] == KEPT_OF_BRANCHES


def test_the_environments_rule_selects_no_branch() -> None:
    _, own, _ = selections()
    prefixes = own["tagPrefixList"]
    assert isinstance(prefixes, list)
    branch = Names(branch_environment("dev", "x"), shared=True)
    assert not any(f"{branch.image_tag_prefix}0123".startswith(prefix) for prefix in prefixes)


def test_images_without_a_tag_go_by_their_age() -> None:
    untagged, _, _ = selections()
    assert untagged["tagStatus"] == "untagged"
    assert untagged["countType"] == "sinceImagePushed"
