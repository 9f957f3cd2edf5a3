"""What people's way to the UI needs of the cluster, and whether it is there: asked of a real API server."""

import itertools
from dataclasses import dataclass
from typing import Any

import pytest

from cli.cloud.kubernetes import Kubernetes, reference
from cli.operations import ingress
from infra.contract.outputs import Outputs
from tests.charts.rendering import render

HOST, SERVICE = "airflow.example.org", "airflow-api-server"
URL = f"https://{HOST}"
_number = itertools.count()


@dataclass
class Deployed:
    """As much of `cli.operations.live.Live` as is asked for."""

    kubernetes: Kubernetes
    outputs: Outputs

    def missing(self) -> list[str]:
        return ingress.missing(self)  # type: ignore[arg-type]

    def deploy(self, **way: str) -> None:
        """The Ingress as the chart makes it."""
        values = {"ui": {"host": HOST, "ingress": way}}
        made = render(values, namespace=self.kubernetes.namespace).find("Ingress", SERVICE)
        self.kubernetes.apply(made, "tests")

    def ingress_class(self, name: str, *, default: bool = False) -> Any:
        item = reference("networking.k8s.io/v1", "IngressClass", name)
        item["spec"] = {"controller": "example.org/controller"}
        if default:
            item["metadata"]["annotations"] = {ingress.DEFAULT: "true"}
        return self.kubernetes.apply(item, "tests")


@pytest.fixture
def deployed(api_server: str) -> Deployed:
    kubernetes = Kubernetes(api_server, f"ingress-{next(_number)}")
    kubernetes.apply(reference("v1", "Namespace", kubernetes.namespace), "tests")
    return Deployed(kubernetes, Outputs({"uiUrl": URL, "uiService": SERVICE}))


def test_without_a_host_nothing_is_asked(api_server: str) -> None:
    deployed = Deployed(Kubernetes("no cluster"), Outputs({"uiService": SERVICE}))
    assert deployed.missing() == []


def test_an_ingress_that_somebody_deleted(deployed: Deployed) -> None:
    (told,) = deployed.missing()
    assert told.startswith(f'nobody serves {URL}: the Ingress "{SERVICE}" is gone')


def test_no_controller(deployed: Deployed) -> None:
    deployed.deploy(
        certificateArn="arn:aws:acm:eu-west-1:123456789012:certificate/0a1b", className="alb"
    )
    (told,) = deployed.missing()
    assert told.startswith(f'nobody serves {URL}: the cluster has no IngressClass "alb"')
    made = deployed.ingress_class("alb")
    assert deployed.missing() == []
    deployed.kubernetes.delete(made, seconds=5)


def test_no_default_class(deployed: Deployed) -> None:
    secret = reference("v1", "Secret", "own", deployed.kubernetes.namespace)
    deployed.kubernetes.apply(secret, "tests")
    deployed.deploy(secret="own")
    other = deployed.ingress_class("other")
    (told,) = deployed.missing()
    assert "the cluster has no default IngressClass" in told
    default = deployed.ingress_class("first", default=True)
    assert deployed.missing() == []
    for item in (other, default):
        deployed.kubernetes.delete(item, seconds=5)


def test_no_secret_of_ones_own(deployed: Deployed) -> None:
    made = deployed.ingress_class("traefik")
    deployed.deploy(secret="own", className="traefik")
    (told,) = deployed.missing()
    assert f'the namespace {deployed.kubernetes.namespace} has no Secret "own"' in told
    deployed.kubernetes.delete(made, seconds=5)


def test_no_cert_manager(deployed: Deployed) -> None:
    made = deployed.ingress_class("traefik")
    deployed.deploy(issuer="letsencrypt", className="traefik")
    (told,) = deployed.missing()
    assert "the cluster has no cert-manager" in told
    deployed.kubernetes.delete(made, seconds=5)
