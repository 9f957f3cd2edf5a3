"""The UI over HTTPS: a real api-server of Airflow behind a real Traefik, which reads the Ingress that the chart makes from a
real API server of Kubernetes, with certificates of a real cert-manager and an authority of its own.

Traefik and cert-manager are processes beside them, and no pods; the Service leads to this machine.
"""

import base64
import os
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml

from cli.base.errors import KitError
from cli.cloud.kubernetes import Kubernetes, reference
from sandbox import tools
from sandbox.errors import UserError
from tests import api_server
from tests.charts.rendering import Object, render
from tests.ports import free_port
from tests.unit.images import airflow_database, real_airflow
from tests.unit.images.airflow_database import FERNET_KEY
from tests.unit.images.loading import IMAGES
from tests.unit.images.real_airflow import MODULES, answers, until
from tests.unit.images.test_web import ADMIN, FAILURES, PASSWORD, USER

HOST: Final = "airflow.example.org"
FOLDER: Final = "/team/airflow"
NAMESPACE, SERVICE, SECRET = "team", "airflow-api-server", "airflow-api-server-tls"
UI: Final[Object] = {
    "host": HOST,
    "baseUrl": f"https://{HOST}{FOLDER}",
    "loginFailures": f"{FAILURES} per 5 minutes",
    "ingress": {
        "className": "traefik",
        "issuer": "authority",
        "plainHttp": True,
        "namespace": "traefik",
    },
}


@dataclass
class Site:
    """What people and tasks meet."""

    kubernetes: Kubernetes
    airflow: str
    """The api-server itself, as tasks reach it."""

    plain: int
    secure: int
    authority: str

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.authority)

    def request(
        self,
        method: str,
        path: str,
        *,
        host: str = HOST,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        """As a browser that trusts the authority, and whose DNS knows the host."""
        told = {"Host": host, "Referer": f"https://{HOST}{FOLDER}/auth/login/", **(headers or {})}
        with httpx.Client(verify=self.context(), trust_env=False, timeout=60) as client:
            url = f"https://127.0.0.1:{self.secure}{path}"
            named = {"sni_hostname": host.partition(":")[0]}
            return client.request(method, url, headers=told, extensions=named, **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def serial(self) -> int:
        """Of the certificate that is served now."""
        with (
            socket.create_connection(("127.0.0.1", self.secure), 10) as raw,
            self.context().wrap_socket(raw, server_hostname=HOST) as secured,
        ):
            found = secured.getpeercert()
        assert found
        return int(str(found["serialNumber"]), 16)


@contextmanager
def process(home: Path, name: str, command: Sequence[str | Path], **env: str) -> Iterator[None]:
    with (home / f"{name}.log").open("wb") as log:
        started = subprocess.Popen(command, env={**os.environ, **env}, stdout=log, stderr=log)
    try:
        yield
    finally:
        started.terminate()
        try:
            started.wait(20)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def define(kubernetes: Kubernetes) -> None:
    """What a cluster with Traefik and cert-manager has: classes, kinds, namespaces, an authority of its own."""
    for file in sorted((tools.ingress_dir() / "crds").glob("*.yaml")):
        for item in yaml.safe_load_all(file.read_text()):
            kubernetes.apply(item, "tests")
    for name in (NAMESPACE, "cert-manager"):
        kubernetes.apply(reference("v1", "Namespace", name), "tests")
    made = reference("networking.k8s.io/v1", "IngressClass", "traefik")
    made["spec"] = {"controller": "traefik.io/ingress-controller"}
    kubernetes.apply(made, "tests")
    api = "cert-manager.io/v1"
    until(lambda: _is_known(kubernetes))
    first = reference(api, "ClusterIssuer", "by-itself")
    first["spec"] = {"selfSigned": {}}
    certificate = reference(api, "Certificate", "authority", "cert-manager")
    certificate["spec"] = {
        "isCA": True,
        "commonName": "authority of the tests",
        "secretName": "authority",
        "privateKey": {"algorithm": "ECDSA", "size": 256},
        "issuerRef": {"name": "by-itself", "kind": "ClusterIssuer"},
    }
    issuer = reference(api, "ClusterIssuer", "authority")
    issuer["spec"] = {"ca": {"secretName": "authority"}}
    for item in (first, certificate, issuer):
        kubernetes.apply(item, "tests")


def _is_known(kubernetes: Kubernetes) -> bool:
    """The API server takes a moment for kinds that are new."""
    try:
        kubernetes.objects("clusterissuers,certificates,certificaterequests", everywhere=True)
    except KitError:
        return False
    return True


def secret(kubernetes: Kubernetes, name: str, namespace: str) -> Object | None:
    found = kubernetes.find("secret", name, namespace=namespace)
    return found if found and found.get("data", {}).get("tls.crt") else None


def publish(kubernetes: Kubernetes, port: int) -> None:
    """The Ingresses as the chart makes them. The Service leads to a process of this machine, which no selector finds."""
    rendered = render({"ui": {**UI, "port": port}}, namespace=NAMESPACE)
    service = rendered.find("Service", SERVICE)
    service["metadata"]["namespace"] = NAMESPACE
    service["spec"] |= {"type": "ExternalName", "externalName": "localhost"}
    del service["spec"]["selector"]
    kubernetes.apply(service, "tests")
    for item in rendered.objects:
        if item["kind"] == "Ingress":
            item["metadata"]["namespace"] = NAMESPACE
            kubernetes.apply(item, "tests")


@contextmanager
def airflow(home: Path) -> Iterator[real_airflow.RealAirflow]:
    """The api-server with what the chart and the image set."""
    chart = render({"ui": UI}, namespace=NAMESPACE).environment()
    names = ("AIRFLOW__FAB__", "AIRFLOW__API__BASE_URL", "AERODROME_LOGIN", "AERODROME_INGRESS")
    with airflow_database.running(home) as databases:
        database = databases.new("https")
        done = database.run("prepare_database", **ADMIN)
        assert done.returncode == 0, done.stderr[-3000:]
        config = (IMAGES / "airflow" / "webserver_config.py").read_text()
        (home / "config.py").write_text(f"{config}\nAUTH_RATE_LIMIT = '1000 per second'\n")
        settings = {
            **{key: text for key, text in database.settings.items() if "AUTH_MANAGER" in key},
            **{key: text for key, text in chart.items() if key.startswith(names)},
            "AIRFLOW__CORE__FERNET_KEY": FERNET_KEY,
            "AIRFLOW__FAB__CONFIG_FILE": str(home / "config.py"),
            "PYTHONPATH": f"{MODULES}:{IMAGES / 'airflow' / 'policy'}",
        }
        with real_airflow.running(home, database.url, [], settings, ["api-server"]) as running:
            yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    try:
        traefik, certificates = (tools.ingress(name) for name in ("traefik", "certificates"))
    except UserError:
        pytest.skip("set-up has not been run with --for-tests")
    home = tmp_path_factory.mktemp("https")
    plain, secure = free_port(), free_port()
    with ExitStack() as stack:
        (home / "kubernetes").mkdir()
        kubeconfig = home / "kubeconfig"
        kubeconfig.write_text(stack.enter_context(api_server.running(home / "kubernetes")))
        kubernetes = Kubernetes(kubeconfig.read_text(), NAMESPACE)
        define(kubernetes)
        env = {"KUBECONFIG": str(kubeconfig)}
        stack.enter_context(process(home, "cert-manager", [certificates], **env))
        serve = [
            *(traefik, f"--entrypoints.web.address=127.0.0.1:{plain}"),
            f"--entrypoints.websecure.address=127.0.0.1:{secure}",
            *("--providers.kubernetesingress=true", "--providers.providersthrottleduration=100ms"),
            "--providers.kubernetesingress.allowexternalnameservices=true",
            *("--global.checknewversion=false", "--global.sendanonymoususage=false"),
        ]
        stack.enter_context(process(home, "traefik", serve, **env))
        behind = stack.enter_context(airflow(home))
        publish(kubernetes, behind.port)
        address = f"http://127.0.0.1:{behind.port}"
        with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
            until(lambda: answers(client))
        authority = until(lambda: secret(kubernetes, "authority", "cert-manager"))
        pem = base64.b64decode(authority["data"]["tls.crt"]).decode()
        found = Site(kubernetes, address, plain, secure, pem)
        until(lambda: secret(kubernetes, SECRET, NAMESPACE))
        until(lambda: _is_served(found))
        yield found


def _is_served(site: Site) -> bool:
    try:
        return site.get(f"{FOLDER}/api/v2/version").status_code == 200
    except httpx.TransportError:
        return False


def login(site: Site, password: str = PASSWORD, **headers: str) -> httpx.Response:
    page = site.get(f"{FOLDER}/auth/login/")
    cookie = page.headers["set-cookie"].split(";")[0]
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert found, page.text[:2000]
    form = {"username": USER, "password": password, "csrf_token": found[1]}
    told = {"Cookie": cookie, **headers}
    return site.request("POST", f"{FOLDER}/auth/login/", data=form, headers=told)


def test_the_certificate_is_the_hosts_and_of_the_authority(site: Site) -> None:
    assert site.get(f"{FOLDER}/api/v2/version").status_code == 200
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        site.get(f"{FOLDER}/api/v2/version", host="other.example.org")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_plain_http_is_redirected(site: Site, method: str) -> None:
    url = f"http://127.0.0.1:{site.plain}{FOLDER}/dags?search=x"
    answer = httpx.request(method, url, headers={"Host": HOST}, trust_env=False, timeout=60)
    assert answer.status_code == 308
    assert answer.headers["location"] == f"https://{HOST}{FOLDER}/dags?search=x"


def test_people_log_in_and_their_cookies_stay_with_https(site: Site) -> None:
    answer = login(site)
    assert answer.status_code == 302
    assert "/auth/login" not in answer.headers["location"]
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert answer.headers["x-content-type-options"] == "nosniff"
    jar: dict[str, str] = {}
    for text in answer.headers.get_list("set-cookie"):
        for name, one in SimpleCookie(text).items():
            jar[name] = one.value
            assert one["secure"], name
    assert {"session", "_token"} <= jar.keys()
    told = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())}
    assert site.get(f"{FOLDER}/api/v2/dags", headers=told).status_code == 200
    assert site.get(f"{FOLDER}/api/v2/dags").status_code == 401


def test_only_the_folder_of_the_host_leads_there(site: Site) -> None:
    answer = site.get("/api/v2/version")
    assert answer.status_code == 404
    assert "x-content-type-options" not in answer.headers, "it was Airflow that answered"


@pytest.mark.parametrize("host", [HOST, HOST.upper(), f"{HOST}:443"])
def test_the_api_of_the_tasks_is_not_reached_by_it(site: Site, host: str) -> None:
    for path in ("/execution/health", "/%65xecution/health"):
        answer = site.get(FOLDER + path, host=host)
        assert (answer.status_code, answer.text) == (404, "Not found.\n"), "not Airflow's answer"
    inside = httpx.get(f"{site.airflow}/execution/health", trust_env=False, timeout=60)
    assert inside.status_code == 200


def test_who_invents_addresses_is_still_counted_as_one(site: Site) -> None:
    answers = []
    for number in range(FAILURES + 1):
        body = {"username": "nobody", "password": "wrong"}
        told = {"X-Forwarded-For": f"198.51.100.{number}"}
        path = f"{FOLDER}/auth/token"
        answers.append(site.request("POST", path, json=body, headers=told).status_code)
    assert answers == [401] * FAILURES + [429]


def test_a_new_certificate_is_served_without_a_restart(site: Site) -> None:
    before = site.serial()
    site.kubernetes.delete(reference("v1", "Secret", SECRET, NAMESPACE), seconds=10)
    # cert-manager makes it again, and Traefik takes it.
    until(lambda: _serial(site) not in (None, before))
    assert site.get(f"{FOLDER}/api/v2/version").status_code == 200


def _serial(site: Site) -> int | None:
    try:
        return site.serial()
    except ssl.SSLError:
        # Traefik's own, as long as there is no Secret.
        return None
