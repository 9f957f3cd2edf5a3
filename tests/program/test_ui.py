"""People's way to the UI by HTTPS: what the settings make of the chart's values, of a base and of its branches."""

from typing import Any

import pulumi
import pytest

from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import SECRETS, Program, run_program

HOST = "airflow.example.org"
ARN = "arn:aws:acm:eu-north-1:123456789012:certificate/0a1b"
ISSUER = {"uiHost": HOST, "uiCertificateIssuer": "letsencrypt", "uiIngressNamespace": "traefik"}
BY_ARN = {"uiHost": HOST, "uiCertificateArn": ARN}


def run(**config: str) -> Program:
    return run_program({"environment": "test", **config}, SECRETS)


def branch_of(base: Program, **config: str) -> Program:
    return run_program({**BRANCH, **config}, BRANCH_SECRETS, {BASE: base})


def ui(program: Program) -> Any:
    return program.one("kubernetes:helm.sh/v3:Release", "-airflow").inputs["values"]["ui"]


def test_without_a_host_nothing_is_said_of_it(program: Program, shared: Program) -> None:
    assert "host" not in ui(program)
    assert program.outputs["uiUrl"] == shared.outputs["uiUrl"] == ""
    assert not ui(shared)["host"]


def test_the_address_follows_from_the_host() -> None:
    program = run(**ISSUER, uiPath="/team", uiIngressClass="traefik")
    assert program.outputs["uiUrl"] == ui(program)["baseUrl"] == f"https://{HOST}/team"
    way = ui(program)["ingress"]
    assert (way["className"], way["issuer"]) == ("traefik", "letsencrypt")
    assert way["namespace"] == "traefik"
    # Traefik's routes with TLS take no plain HTTP.
    assert way["plainHttp"] is True


def test_a_load_balancer_comes_from_the_networks_own_addresses() -> None:
    way = ui(run(**BY_ARN))["ingress"]
    assert (way["className"], way["certificateArn"]) == ("alb", ARN)
    assert way["networks"] == ["10.20.0.0/16"]
    assert not way["namespace"]
    assert not way["plainHttp"]


class TestBranches:
    def test_they_have_no_host_unless_the_base_offers_it(self) -> None:
        branch = branch_of(run(**ISSUER))
        assert not ui(branch)["host"]
        assert branch.outputs["uiUrl"] == ""

    def test_they_are_below_the_bases(self) -> None:
        branch = branch_of(run(**ISSUER, uiBranchHosts="true"))
        assert branch.outputs["uiUrl"] == ui(branch)["baseUrl"] == f"https://test-x.{HOST}"
        assert ui(branch)["host"] == f"test-x.{HOST}"
        assert ui(branch)["ingress"]["issuer"] == "letsencrypt"
        assert ui(branch)["ingress"]["namespace"] == "traefik"

    def test_they_share_the_bases_load_balancer(self) -> None:
        base = run(**BY_ARN, uiBranchHosts="true")
        branch = branch_of(base)
        group = ui(base)["ingress"]["loadBalancerGroup"]
        assert group
        assert ui(branch)["ingress"]["loadBalancerGroup"] == group
        assert ui(branch)["ingress"]["networks"] == ["10.20.0.0/16"]

    def test_one_may_have_a_host_of_its_own(self) -> None:
        own = {"uiHost": "x.example.com", "uiCertificateSecret": "x"}
        branch = branch_of(run(**ISSUER, uiBranchHosts="true"), **own, uiIngressNamespace="traefik")
        assert ui(branch)["host"] == "x.example.com"
        assert (ui(branch)["ingress"]["secret"], ui(branch)["ingress"]["issuer"]) == ("x", "")


class TestRefused:
    def failure(self, **config: str) -> str:
        with pytest.raises(pulumi.RunError) as caught:
            run(**config)
        return str(caught.value)

    def test_a_certificate_of_another_region(self) -> None:
        elsewhere = ARN.replace("eu-north-1", "us-east-1")
        assert self.failure(uiHost=HOST, uiCertificateArn=elsewhere) == (
            f"aerodrome:uiCertificateArn is '{elsewhere}': "
            "a load balancer in eu-north-1 takes certificates of eu-north-1 only"
        )

    def test_an_address_in_the_values_files(self) -> None:
        said = self.failure(**ISSUER, valuesFiles='["tests/program/address.yaml"]')
        assert "The values files set ui.baseUrl" in said
