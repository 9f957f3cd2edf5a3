"""The settings of people's way to the UI: what each must be, and what they need of each other."""

import pytest

from tests.unit.infra.contract.test_settings import load_with, problem, problems

ARN = "arn:aws:acm:us-east-1:123456789012:certificate/0a1b"
HOST = "airflow.example.org"


@pytest.mark.parametrize(
    "host", ["airflow", f"https://{HOST}", f"{HOST}/x", "Airflow.example.org", "-a.b"]
)
def test_a_host_is_a_dns_name(host: str) -> None:
    assert f"aerodrome:uiHost is {host!r}: must be a DNS name" in problem(uiHost=host)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("uiPath", "/x/", "must be a folder such as /airflow"),
        ("uiPath", "x", "must be a folder such as /airflow"),
        ("uiCertificateArn", "arn:aws:iam::123456789012:server-certificate/x", "must be the ARN"),
        ("uiCertificateIssuer", "Issuer/", "must be the name of an object"),
        ("uiCertificateIssuer", "ClusterIssuer/x", "must be the name of an object"),
        ("uiCertificateSecret", "a/b", "must be the name of an object"),
        ("uiIngressClass", "Traefik", "must be the name of an object"),
    ],
)
def test_the_others_have_a_form(key: str, value: str, said: str) -> None:
    assert f"aerodrome:{key} is {value!r}: {said}" in problem(**{key: value})


def test_a_host_needs_one_certificate() -> None:
    told = problem(uiHost=HOST, uiIngressNamespace="traefik")
    assert told == (
        f"aerodrome:uiHost is '{HOST}': it needs a certificate: set one of uiCertificateArn, "
        "uiCertificateIssuer, uiCertificateSecret"
    )
    told = problem(uiHost=HOST, uiCertificateArn=ARN, uiCertificateSecret="own")
    assert told.startswith("aerodrome:uiCertificateSecret is 'own': uiCertificateArn is set, too")


def test_somebody_in_the_cluster_must_be_named_who_may_reach_it() -> None:
    assert "aerodrome:uiIngressNamespace" in problem(uiHost=HOST, uiCertificateIssuer="le")
    load_with(uiHost=HOST, uiCertificateArn=ARN)
    load_with(uiHost=HOST, uiCertificateIssuer="le", uiIngressNamespace="traefik")


def test_without_a_host_nothing_else_counts() -> None:
    found = problems(uiPath="/x", uiCertificateArn=ARN, uiBranchHosts="true")
    assert [each.partition(" ")[0] for each in found] == [
        *("aerodrome:uiCertificateArn", "aerodrome:uiPath", "aerodrome:uiBranchHosts")
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"uiCertificateSecret": "own"},
        {"uiCertificateIssuer": "Issuer/own"},
        {"uiCertificateIssuer": "le", "uiPath": "/x"},
    ],
)
def test_what_branches_cannot_take_over(more: dict[str, str]) -> None:
    told = problem(uiHost=HOST, uiIngressNamespace="traefik", uiBranchHosts="true", **more)
    assert told.startswith("aerodrome:uiBranchHosts is True: branches cannot be below")
