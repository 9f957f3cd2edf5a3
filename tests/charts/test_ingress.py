"""People's way to the UI by HTTPS, as the chart makes it."""

from typing import Any

import pytest

from tests.charts.rendering import Object, Rendered, render

HOST = "airflow.example.org"
ROUTE_WITH_TLS = "traefik.ingress.kubernetes.io/router.tls"
ARN = "arn:aws:acm:eu-west-1:123456789012:certificate/0a1b"


def with_host(ui: Object | None = None, **ingress: Any) -> Rendered:
    ingress = {"issuer": "letsencrypt", "namespace": "traefik", **ingress}
    values = {"ui": {"host": HOST, **(ui or {}), "ingress": ingress}}
    return render(values, {"networkPolicies": {"enabled": True}})


def the_ingress(rendered: Rendered) -> Object:
    return rendered.find("Ingress", "airflow-api-server")


def test_without_a_host_there_is_none() -> None:
    assert "Ingress" not in render().kinds()
    assert "AERODROME_INGRESS" not in render().environment()


def test_the_host_leads_to_the_service_and_is_the_address_of_the_ui() -> None:
    rendered = with_host(className="traefik")
    spec = the_ingress(rendered)["spec"]
    (rule,) = spec["rules"]
    (path,) = rule["http"]["paths"]
    service = rendered.find("Service", path["backend"]["service"]["name"])
    assert path["backend"]["service"]["port"]["name"] in {
        p["name"] for p in service["spec"]["ports"]
    }
    assert (rule["host"], path["path"], path["pathType"]) == (HOST, "/", "Prefix")
    assert spec["ingressClassName"] == "traefik"
    settings = rendered.environment()
    assert settings["AIRFLOW__API__BASE_URL"] == f"https://{HOST}"
    assert settings["AIRFLOW__FAB__COOKIE_SECURE"] == "True"
    assert settings["AERODROME_INGRESS"] == HOST


def test_a_folder_of_the_host() -> None:
    rendered = with_host({"baseUrl": f"https://{HOST}/team/airflow"})
    (rule,) = the_ingress(rendered)["spec"]["rules"]
    assert rule["http"]["paths"][0]["path"] == "/team/airflow"
    assert rendered.environment()["AIRFLOW__API__BASE_URL"] == f"https://{HOST}/team/airflow"


@pytest.mark.parametrize(
    "address", ["https://other.example.org", f"http://{HOST}", f"https://{HOST}.example.com"]
)
def test_an_address_that_is_not_of_the_host_is_refused(address: str) -> None:
    assert f"ui.baseUrl is {address}, and ui.host {HOST}" in with_host({"baseUrl": address}).error


@pytest.mark.parametrize(
    ("issuer", "annotation"),
    [
        ("letsencrypt", {"cert-manager.io/cluster-issuer": "letsencrypt"}),
        ("Issuer/own", {"cert-manager.io/issuer": "own"}),
    ],
)
def test_cert_manager_is_told_whose_certificate_and_where_to_put_it(
    issuer: str, annotation: Object
) -> None:
    found = the_ingress(with_host(issuer=issuer))
    assert found["metadata"]["annotations"] == annotation
    assert found["spec"]["tls"] == [{"hosts": [HOST], "secretName": "airflow-api-server-tls"}]


def test_an_own_secret() -> None:
    found = the_ingress(with_host(issuer="", secret="our-certificate"))
    assert found["spec"]["tls"] == [{"hosts": [HOST], "secretName": "our-certificate"}]
    assert not found["metadata"].get("annotations")


class TestLoadBalancer:
    def test_it_is_internal_has_the_certificate_and_redirects(self) -> None:
        found = the_ingress(with_host(issuer="", certificateArn=ARN, className="alb"))
        told = found["metadata"]["annotations"]
        start = "alb.ingress.kubernetes.io"
        assert told[f"{start}/certificate-arn"] == ARN
        assert told[f"{start}/scheme"] == "internal"
        assert told[f"{start}/ssl-redirect"] == "443"
        assert told[f"{start}/target-type"] == "ip"
        assert f"{start}/group.name" not in told
        # The certificate is the load balancer's: no Secret has it.
        assert "tls" not in found["spec"]

    def test_the_users_annotations_win(self) -> None:
        public = {"alb.ingress.kubernetes.io/scheme": "internet-facing"}
        found = the_ingress(with_host(issuer="", certificateArn=ARN, annotations=public))
        told = found["metadata"]["annotations"]
        assert told["alb.ingress.kubernetes.io/scheme"] == "internet-facing"
        assert told["alb.ingress.kubernetes.io/certificate-arn"] == ARN

    def test_a_group_shares_it(self) -> None:
        found = the_ingress(with_host(issuer="", certificateArn=ARN, loadBalancerGroup="prod"))
        assert found["metadata"]["annotations"]["alb.ingress.kubernetes.io/group.name"] == "prod"


@pytest.mark.parametrize(
    "certificates",
    [{"issuer": ""}, {"secret": "own"}, {"certificateArn": ARN}],
    ids=["none", "two", "two others"],
)
def test_one_certificate_is_needed(certificates: Object) -> None:
    assert "set exactly one of" in with_host(**certificates).error


def test_plain_http_has_a_way_of_its_own_where_the_controller_needs_it() -> None:
    one = [o for o in with_host().objects if o["kind"] == "Ingress"]
    assert len(one) == 1
    rendered = with_host(plainHttp=True, className="traefik")
    plain = rendered.find("Ingress", "airflow-api-server-http")
    assert "tls" not in plain["spec"]
    # Or cert-manager would make it a certificate, too.
    assert not plain["metadata"].get("annotations")
    secure = the_ingress(rendered)
    assert plain["spec"]["rules"] == secure["spec"]["rules"]
    # Traefik answers 404 by TLS without it, unless its entry point has TLS for every route.
    assert secure["metadata"]["annotations"][ROUTE_WITH_TLS] == "true"


def test_plain_http_keeps_its_way_when_the_user_says_which_route_has_tls() -> None:
    own = {ROUTE_WITH_TLS: "true", "traefik.ingress.kubernetes.io/router.priority": "7"}
    rendered = with_host(plainHttp=True, annotations=own)
    plain = rendered.find("Ingress", "airflow-api-server-http")["metadata"]["annotations"]
    assert plain == {"traefik.ingress.kubernetes.io/router.priority": "7"}
    assert the_ingress(rendered)["metadata"]["annotations"].items() >= own.items()


class TestWhoReachesIt:
    def admitted(self, rendered: Rendered) -> Any:
        (rule,) = rendered.find("NetworkPolicy", "airflow-api-server")["spec"]["ingress"]
        assert rule["ports"] == [{"port": "http"}]
        return rule.get("from")

    def test_the_controllers_namespace_and_the_environments_own_pods(self) -> None:
        named = {"matchLabels": {"kubernetes.io/metadata.name": "traefik"}}
        assert self.admitted(with_host()) == [{"podSelector": {}}, {"namespaceSelector": named}]

    def test_the_networks_of_load_balancers(self) -> None:
        rendered = with_host(namespace="", networks=["10.20.0.0/16"])
        block = {"ipBlock": {"cidr": "10.20.0.0/16"}}
        assert self.admitted(rendered) == [{"podSelector": {}}, block]

    def test_whoever_the_service_lets_in_where_it_leads_outside(self) -> None:
        assert self.admitted(with_host({"serviceType": "NodePort"})) is None
        assert self.admitted(render({"networkPolicies": {"enabled": True}})) is None
