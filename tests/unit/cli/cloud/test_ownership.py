"""Whose something is, by its tags alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.cloud.ownership import is_aerodrome, of_cluster, of_namespace, owners
from infra.contract.naming import Names, branch_environment, tags

OWNED = {"kubernetes.io/cluster/aerodrome-dev": "owned"}


@pytest.mark.parametrize(
    ("tagged", "expected"),
    [
        ({}, []),
        ({"Name": "aerodrome-dev"}, []),
        ({"aerodrome:environment": "dev"}, ["dev"]),
        (OWNED, ["dev"]),
        ({"kubernetes.io/cluster/aerodrome-dev": "shared"}, []),
        ({"kubernetes.io/cluster/somebody-elses": "owned"}, []),
        ({"elbv2.k8s.aws/cluster": "aerodrome-dev"}, ["dev"]),
        ({"cluster.k8s.amazonaws.com/name": "aerodrome-dev"}, ["dev"]),
        # The program's own tag outweighs the cluster that it serves.
        (OWNED | {"aerodrome:environment": "dev-x-123456"}, ["dev-x-123456"]),
        # A branch's disk, of its base's storage class: the branch's, and the base's.
        (
            {
                "aerodrome:environment": "dev",
                "kubernetes.io/created-for/pvc/namespace": "airflow-dev-x-123456",
            },
            ["dev-x-123456", "dev"],
        ),
        (OWNED | {"service.k8s.aws/stack": "airflow-dev-x-123456/ui"}, ["dev-x-123456", "dev"]),
        (OWNED | {"kubernetes.io/service-name": "airflow/ui"}, ["dev"]),
        # In somebody else's cluster a namespace of that name is somebody else's.
        ({"kubernetes.io/created-for/pvc/namespace": "airflow-dev-x-123456"}, []),
        (
            {
                "kubernetes.io/cluster/somebody-elses": "owned",
                "kubernetes.io/service-name": "airflow-dev/ui",
            },
            [],
        ),
    ],
)
def test_owners(tagged: dict[str, str], expected: list[str]) -> None:
    assert owners(tagged) == expected


def test_what_bootstrap_made_is_no_environments() -> None:
    assert not is_aerodrome({"aerodrome:bootstrap": "state"})
    assert is_aerodrome({"aerodrome:branch": "main"})
    assert not is_aerodrome({"Name": "aerodrome"})


@given(st.sampled_from(["sandbox", "dev", "a-long-name-of-a-base"]), st.text(min_size=1))
def test_names_lead_back_to_the_environment_that_made_them(base: str, branch: str) -> None:
    environment = branch_environment(base, branch)
    assert of_namespace(Names(environment, shared=True).namespace) == environment
    assert of_cluster(Names(environment).cluster) == environment
    assert owners(tags(environment, branch, "never", base)) == [environment]


@pytest.mark.parametrize("name", ["airflow", "airflow-", "default", "kube-system", "airflow-A"])
def test_other_namespaces_are_nobodys(name: str) -> None:
    assert of_namespace(name) == ""
