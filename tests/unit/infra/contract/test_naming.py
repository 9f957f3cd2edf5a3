"""Names fit where AWS puts them, and tags are what AWS accepts."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.contract import naming
from infra.contract.naming import (
    ENVIRONMENT_MAX_LENGTH,
    Names,
    branch_environment,
    is_environment,
    labels,
    tag_value,
    tags,
)

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


BASES = st.from_regex(r"[a-z](-?[a-z0-9]){0,13}", fullmatch=True)
BRANCHES = st.one_of(
    st.text(min_size=1, max_size=400),
    st.sampled_from(
        ["/", "///", "🚀", "🚀🔥", "---", "...", "x" * 300, "feature/" * 40, "@", "Ünïcödé"]
    ),
    st.from_regex(r"[A-Za-z0-9._/-]{1,80}", fullmatch=True),
)


@given(BASES, BRANCHES)
def test_any_branch_on_any_base_is_an_environment_that_fits_every_resource(
    base: str, branch: str
) -> None:
    name = branch_environment(base, branch)
    assert is_environment(name)
    names = Names(name, shared=True)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", names.namespace)
    assert re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", names.database)
    # Helm's limit for a release; the Job's name has 15 characters more, within the 63 of a label.
    assert re.fullmatch(r"[a-z0-9-]{1,48}", names.database_release)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,87}", names.image_tag_prefix)
    assert re.fullmatch(r"/[a-z0-9/-]{1,510}/", names.iam_path)
    assert all(len(label) <= 63 for label in names.service_host("airflow-api-server").split("."))


@given(BASES, st.lists(BRANCHES, min_size=2, max_size=2, unique=True))
def test_two_branches_share_nothing(base: str, branches: list[str]) -> None:
    one, other = (Names(branch_environment(base, branch), shared=True) for branch in branches)
    assert one.environment != other.environment
    for prefix in ("image_tag_prefix", "iam_path"):
        assert not getattr(one, prefix).startswith(getattr(other, prefix))
    assert not f"{one.log_prefix}/".startswith(f"{other.log_prefix}/")
    assert {one.namespace, one.database}.isdisjoint({other.namespace, other.database})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("feature/login", "feature-login"),
        ("Feature/Login", "feature/login"),
        ("x" * 300, "x" * 299),
        ("🚀", "🔥"),
        ("fix/größe", "fix/grosse"),
    ],
)
def test_branches_that_read_alike_do_not_meet(one: str, other: str) -> None:
    assert branch_environment("sandbox", one) != branch_environment("sandbox", other)


def test_a_branch_is_readable_in_its_name() -> None:
    assert re.fullmatch(r"dev-fix-grosse-[0-9a-f]{6}", branch_environment("dev", "Fix/Größe"))
    assert re.fullmatch(r"sandbox-[0-9a-f]{6}", branch_environment("sandbox", "🚀"))


def test_the_same_branch_on_two_bases_is_two_environments() -> None:
    assert branch_environment("a" * 13, "x") != branch_environment("a" * 14, "x")


def test_a_branch_of_a_sandbox_lives_in_the_sandbox() -> None:
    assert branch_environment("sandbox-two", "x").startswith("sandbox-")


def test_a_dedicated_environment_needs_no_names_of_its_own_inside() -> None:
    names = Names("dev")
    assert (names.namespace, names.database) == ("airflow", "airflow")
    assert names.log_prefix == "task-logs"


def test_the_images_of_a_base_are_told_from_those_of_its_branches() -> None:
    branch = branch_environment("dev", "x")
    assert not Names(branch, shared=True).image_tag_prefix.startswith(Names("dev").image_tag_prefix)


def test_the_last_use_is_told_only_where_it_is_kept() -> None:
    assert "aerodrome:used" not in tags("dev", "", "never")
    assert tags("dev", "", "never", used="2027-01-31")["aerodrome:used"] == "2027-01-31"


def test_a_namespace_says_whose_it_is() -> None:
    assert labels("dev") == {"aerodrome/environment": "dev"}
    assert labels("dev-x-1", "dev")["aerodrome/base"] == "dev"


def test_a_base_is_told_only_where_there_is_one() -> None:
    assert "aerodrome:base" not in tags("dev", "", "never")
    assert tags("dev-x-1", "x", "never", "dev")["aerodrome:base"] == "dev"


@given(st.text(max_size=400))
def test_a_tag_value_is_always_one_that_aws_accepts(text: str) -> None:
    value = tag_value(text)
    assert re.fullmatch(r"[A-Za-z0-9 +\-=._:/@]{0,256}", value)


def test_what_bootstrap_makes_has_names_that_aws_takes() -> None:
    """S3's limit is 63 characters, and no region's name is longer than ap-southeast-2."""
    assert len(naming.state_bucket("123456789012", "ap-southeast-2")) <= 63
    assert re.fullmatch(r"alias/[a-zA-Z0-9/_-]+", naming.secrets_key_alias("dev"))
    assert naming.secrets_provider("dev", "eu-west-1") == (
        "awskms://alias/aerodrome-dev?region=eu-west-1"
    )


def test_in_a_server_that_others_use_no_name_is_a_neighbours() -> None:
    """Another environment's is never followed by two of `_`."""
    prod, second = (Names(name, existing_server=True) for name in ("prod", "prod-second"))
    of_prod = {prod.database, prod.second_user, prod.monitor_user, prod.results_database}
    assert of_prod == {
        "airflow_prod",
        "airflow_prod__second",
        "airflow_prod__monitor",
        "airflow_prod__celery",
    }
    assert second.database == "airflow_prod_second"
    assert Names("prod-second", shared=True).database not in of_prod
    # In a server of its own nothing changes.
    own = Names("prod")
    assert (own.database, own.second_user) == ("airflow", "airflow_second")
    assert (own.monitor_user, own.results_database) == ("aerodrome_monitor", "airflow_celery")
