"""Names fit where AWS puts them, and tags are what AWS accepts."""

import re

import pulumi_aws as aws
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra import naming
from infra.naming import ENVIRONMENT_MAX_LENGTH, Names, tag_value, tags

LONGEST = Names("e" * ENVIRONMENT_MAX_LENGTH)
PULUMI_SUFFIX = 8  # a dash and seven digits


def test_every_name_begins_with_the_project_and_the_environment() -> None:
    names = Names("dev")
    assert names.of("logs") == "aerodrome-dev-logs"
    assert names.of("private", "us-east-1a") == "aerodrome-dev-private-us-east-1a"
    assert names.cluster == "aerodrome-dev"
    assert names.iam_path == "/aerodrome/dev/"


def test_the_log_group_is_the_one_that_eks_writes_to() -> None:
    assert Names("dev").control_plane_log_group == "/aws/eks/aerodrome-dev/cluster"


@pytest.mark.parametrize("part", ["eksRole-role", "rancher-server", "airflow", "volumes"])
def test_role_names_fit_even_for_the_longest_environment(part: str) -> None:
    assert len(LONGEST.of(part)) + PULUMI_SUFFIX <= 64


def test_bucket_and_cluster_names_fit_too() -> None:
    assert len(LONGEST.of("logs")) + PULUMI_SUFFIX <= 63
    assert len(LONGEST.cluster) <= 100


def test_two_environments_share_no_name() -> None:
    assert Names("a").of("logs") != Names("b").of("logs")


def test_tags_tell_environment_branch_and_expiry() -> None:
    assert tags("dev", "feature/x", "never") == {
        "aerodrome:environment": "dev",
        "aerodrome:branch": "feature/x",
        "aerodrome:expires": "never",
    }


@given(st.text(max_size=400))
def test_a_tag_value_is_always_one_that_aws_accepts(text: str) -> None:
    value = tag_value(text)
    assert re.fullmatch(r"[A-Za-z0-9 +\-=._:/@]{0,256}", value)


def test_the_list_of_taggable_types_agrees_with_the_sdk() -> None:
    """A type in the list must take a `tags` map; the SDK's class knows."""
    for token in naming.TAGGABLE_TYPES:
        module, name = token.split(":")[1].split("/")[0], token.rpartition(":")[2]
        properties = dir(getattr(getattr(aws, module), name))
        assert "tags" in properties, token
