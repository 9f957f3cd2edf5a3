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
from functools import partial
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

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
from tests.unit.images.real_airflow import MODULES, RealAirflow, answers, until
from tests.unit.images.test_web import ADMIN, FAILURES, PASSWORD, USER

pytestmark = pytest.mark.slow

HOST: Final = "airflow.example.org"
FOLDER: Final = "/team/airflow"
VERSION: Final = f"{FOLDER}/api/v2/version"
NAMESPACE, SERVICE, SECRET = "team", "airflow-api-server", "airflow-api-server-tls"
UI: Final[Object] = {
    "host": HOST,
    "baseUrl": f"https://{HOST}{FOLDER}",
    "loginFailures": f"{FAILURES} per 5 minutes",
}
INGRESS: Final[Object] = {"className": "traefik", "plainHttp": True, "namespace": "traefik"}
ISSUER: Final[Object] = {"issuer": "authority"}
INVENTED: Final = {
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.example.com",
    "X-Forwarded-Port": "8080",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "for=198.51.100.1;host=evil.example.com;proto=http",
}
"""What a client may say of itself."""


@dataclass
class Site:
    """What people and tasks meet."""

    kubernetes: Kubernetes
    airflow: RealAirflow
    plain: int
    secure: int
    """As Traefik's own chart makes it: with TLS for every route."""

    by_hand: int
    """As Traefik has it by default: with TLS for the routes that ask for it."""

    authority: str

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.authority)

    def request(
        self,
        method: str,
        path: str,
        *,
        host: str = HOST,
        port: int = 0,
        source: str = "127.0.0.1",
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        """As a browser that trusts the authority, and whose DNS knows the host."""
        told = {"Host": host, "Referer": f"https://{HOST}{FOLDER}/auth/login/", **(headers or {})}
        transport = httpx.HTTPTransport(verify=self.context(), local_address=source)
        with httpx.Client(transport=transport, timeout=60) as client:
            url = f"https://127.0.0.1:{port or self.secure}{path}"
            named = {"sni_hostname": host.partition(":")[0]}
            return client.request(method, url, headers=told, extensions=named, **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def certificate(self, context: ssl.SSLContext | None = None) -> dict[str, Any]:
        """The one that is served now; SSLError if it is not of whom the client trusts."""
        with (
            socket.create_connection(("127.0.0.1", self.secure), 60) as raw,
            (context or self.context()).wrap_socket(raw, server_hostname=HOST) as secured,
        ):
            found = secured.getpeercert()
        assert found
        return dict(found)

    def serial(self) -> str:
        return str(self.certificate()["serialNumber"])

    def publish(self, **ingress: Any) -> None:
        """The Ingresses as the chart makes them."""
        rendered = render({"ui": {**UI, "ingress": INGRESS | ingress}}, namespace=NAMESPACE)
        assert not rendered.error
        for item in rendered.objects:
            if item["kind"] == "Ingress":
                item["metadata"]["namespace"] = NAMESPACE
                self.kubernetes.apply(item, "tests")


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


def define(kubernetes: Kubernetes, definitions: Path) -> None:
    """What a cluster with Traefik and cert-manager has: classes, kinds, namespaces, an authority of its own."""
    for file in sorted(definitions.glob("*.yaml")):
        for item in yaml.safe_load_all(file.read_text()):
            kubernetes.apply(item, "tests")
    for name in (NAMESPACE, "cert-manager"):
        kubernetes.apply(reference("v1", "Namespace", name), "tests")
    made = reference("networking.k8s.io/v1", "IngressClass", "traefik")
    made["spec"] = {"controller": "traefik.io/ingress-controller"}
    kubernetes.apply(made, "tests")
    api = "cert-manager.io/v1"
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
    until(lambda: _is_known(kubernetes))
    for item in (first, certificate, issuer):
        kubernetes.apply(item, "tests")


def _is_known(kubernetes: Kubernetes) -> bool:
    """The API server takes a moment for kinds that are new."""
    try:
        kubernetes.objects("clusterissuers,certificates,certificaterequests", everywhere=True)
    except KitError:
        return False
    return True


def certificate_of(kubernetes: Kubernetes, name: str, namespace: str) -> str:
    """In a Secret; empty as long as there is none."""
    found = kubernetes.find("secret", name, namespace=namespace)
    return base64.b64decode((found or {}).get("data", {}).get("tls.crt", "")).decode()


def lead_to(kubernetes: Kubernetes, port: int) -> None:
    """The chart's Service leads to a process of this machine, which no selector finds."""
    service = render({"ui": {"port": port}}, namespace=NAMESPACE).find("Service", SERVICE)
    service["metadata"]["namespace"] = NAMESPACE
    service["spec"] |= {"type": "ExternalName", "externalName": "localhost"}
    del service["spec"]["selector"]
    kubernetes.apply(service, "tests")


@contextmanager
def airflow(home: Path) -> Iterator[RealAirflow]:
    """The api-server with what the chart and the image set."""
    ui = {**UI, "ingress": INGRESS | ISSUER}
    chart = render({"ui": ui}, namespace=NAMESPACE).environment()
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
        programs = tools.ingress()
    except UserError:
        pytest.skip("set-up has not been run with --for-tests")
    home = tmp_path_factory.mktemp("https")
    plain, secure, by_hand = free_port(), free_port(), free_port()
    with ExitStack() as stack:
        (home / "kubernetes").mkdir()
        kubeconfig = home / "kubeconfig"
        kubeconfig.write_text(stack.enter_context(api_server.running(home / "kubernetes")))
        kubernetes = Kubernetes(kubeconfig.read_text(), NAMESPACE)
        define(kubernetes, programs / "crds")
        env = {"KUBECONFIG": str(kubeconfig)}
        stack.enter_context(process(home, "cert-manager", [programs / "certificates"], **env))
        serve = [
            *(programs / "traefik", f"--entrypoints.web.address=127.0.0.1:{plain}"),
            f"--entrypoints.byhand.address=127.0.0.1:{by_hand}",
            f"--entrypoints.websecure.address=127.0.0.1:{secure}",
            "--entrypoints.websecure.http.tls=true",
            *("--providers.kubernetesingress=true", "--providers.providersthrottleduration=100ms"),
            "--providers.kubernetesingress.allowexternalnameservices=true",
            *("--global.checknewversion=false", "--global.sendanonymoususage=false"),
        ]
        stack.enter_context(process(home, "traefik", serve, **env))
        behind = stack.enter_context(airflow(home))
        with httpx.Client(
            base_url=f"http://127.0.0.1:{behind.port}", trust_env=False, timeout=60
        ) as client:
            until(lambda: answers(client))
        authority = until(lambda: certificate_of(kubernetes, "authority", "cert-manager"))
        found = Site(kubernetes, behind, plain, secure, by_hand, authority)
        lead_to(kubernetes, behind.port)
        found.publish(**ISSUER)
        until(lambda: certificate_of(kubernetes, SECRET, NAMESPACE))
        until(lambda: _is_served(found))
        yield found


def _is_served(site: Site) -> bool:
    try:
        return site.get(VERSION).status_code == 200
    except httpx.TransportError:
        # Traefik's own certificate, as long as it has not seen the Secret.
        return False


def login(site: Site, **headers: str) -> httpx.Response:
    """By the form, as a browser does."""
    page = site.get(f"{FOLDER}/auth/login/", headers=headers)
    cookie = page.headers["set-cookie"].split(";")[0]
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert found, page.text[:2000]
    form = {"username": USER, "password": PASSWORD, "csrf_token": found[1]}
    told = {"Cookie": cookie, **headers}
    return site.request("POST", f"{FOLDER}/auth/login/", data=form, headers=told)


def test_the_certificate_is_the_hosts_and_of_the_authority(site: Site) -> None:
    assert site.certificate()["subjectAltName"] == (("DNS", HOST),)
    with pytest.raises(ssl.SSLCertVerificationError):
        site.certificate(ssl.create_default_context())
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        site.get(VERSION, host="other.example.org")


@pytest.mark.parametrize("way", ["secure", "by_hand"])
def test_traefik_serves_it_whether_its_entry_point_has_tls_for_all_or_not(
    site: Site, way: str
) -> None:
    assert site.get(VERSION, port=getattr(site, way)).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("told", [{}, {"X-Forwarded-Proto": "https"}])
def test_plain_http_is_redirected(site: Site, method: str, told: dict[str, str]) -> None:
    url = f"http://127.0.0.1:{site.plain}{FOLDER}/dags?search=x"
    headers = {"Host": HOST, **told}
    answer = httpx.request(method, url, headers=headers, trust_env=False, timeout=60)
    assert answer.status_code == 308
    assert answer.headers["location"] == f"https://{HOST}{FOLDER}/dags?search=x"


def test_people_see_the_ui_and_its_parts_with_the_strict_headers(site: Site) -> None:
    page = site.get(f"{FOLDER}/")
    (script,) = re.findall(r'<script type="module"[^>]*src="([^"]+)"', page.text)
    base = re.search(r'<base href="([^"]+)"', page.text)
    address = urljoin(urljoin(f"https://{HOST}{FOLDER}/", base[1] if base else ""), script)
    assert address.startswith(f"https://{HOST}{FOLDER}/")
    for answer in (page, site.get(urlsplit(address).path)):
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "SAMEORIGIN"
        assert "script-src 'self';" in answer.headers["content-security-policy"]


def test_people_log_in_and_their_cookies_stay_with_https(site: Site) -> None:
    answer = login(site)
    assert answer.status_code == 302
    place = urlsplit(urljoin(f"https://{HOST}{FOLDER}/auth/login/", answer.headers["location"]))
    assert (place.scheme, place.netloc) == ("https", HOST)
    assert place.path.startswith(FOLDER)
    assert "/auth/login" not in place.path
    jar: dict[str, str] = {}
    for text in answer.headers.get_list("set-cookie"):
        for name, one in SimpleCookie(text).items():
            jar[name] = one.value
            assert one["secure"], name
    assert {"session", "_token"} <= jar.keys()
    told = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())}
    assert site.get(f"{FOLDER}/api/v2/dags", headers=told).status_code == 200
    assert site.get(f"{FOLDER}/api/v2/dags").status_code == 401


def test_what_a_client_says_of_the_way_it_came_changes_nothing(site: Site) -> None:
    for path in (f"{FOLDER}/", f"{FOLDER}/auth/login/"):
        answer = site.get(path, headers=INVENTED)
        assert answer.status_code == 200
        assert "evil" not in answer.text
    answer = login(site, **INVENTED)
    assert answer.status_code == 302
    assert "evil" not in str(answer.headers)
    assert "_token" in str(answer.headers.get_list("set-cookie"))


def test_only_the_folder_of_the_host_leads_there(site: Site) -> None:
    answer = site.get("/api/v2/version")
    assert (answer.status_code, answer.text) == (404, "404 page not found\n"), (
        "not Traefik's answer"
    )


@pytest.mark.parametrize("host", [HOST, HOST.upper(), f"{HOST}:443"])
def test_the_api_of_the_tasks_is_for_tasks_alone(site: Site, host: str) -> None:
    for path in ("/execution/health", "/%65xecution/health"):
        answer = site.get(FOLDER + path, host=host)
        assert (answer.status_code, answer.text) == (404, "Not found.\n"), "not Airflow's answer"
    for folder in ("", FOLDER):
        inside = f"http://127.0.0.1:{site.airflow.port}{folder}/execution/health"
        assert httpx.get(inside, trust_env=False, timeout=60).status_code == 200


def test_who_invents_addresses_is_still_counted_as_one(site: Site) -> None:
    def attempt(invented: str, source: str) -> int:
        body = {"username": "nobody", "password": "wrong"}
        told = {"X-Forwarded-For": invented, "X-Real-Ip": invented}
        path = f"{FOLDER}/auth/token"
        return site.request("POST", path, json=body, headers=told, source=source).status_code

    found = [attempt(f"198.51.100.{number}", "127.0.0.1") for number in range(FAILURES + 1)]
    assert found == [401] * FAILURES + [429]
    # And it is the client who is counted, not the controller.
    assert attempt("198.51.100.0", "127.0.0.2") == 401


def test_a_renewed_certificate_is_served_without_a_restart_or_a_gap(site: Site) -> None:
    before = site.serial()
    # Of the 2160 hours that cert-manager asks for by default: the first minute is over.
    site.publish(**ISSUER, annotations={"cert-manager.io/renew-before": "2159h59m"})
    # Any other certificate than the authority's would be an error of the client's meanwhile.
    until(lambda: site.serial() != before)
    assert site.get(VERSION).status_code == 200


def test_a_secret_of_ones_own_is_served_and_may_be_replaced(site: Site, tmp_path: Path) -> None:
    site.publish(secret="own")
    try:
        for number in ("1", "2"):
            own = _own_secret(tmp_path / number)
            site.kubernetes.apply(own, "tests")
            trusted = base64.b64decode(own["data"]["tls.crt"]).decode()
            until(partial(_is_of, site, ssl.create_default_context(cadata=trusted)))
    finally:
        site.publish(**ISSUER)
    until(lambda: _is_of(site, site.context()))


def _own_secret(folder: Path) -> Object:
    """A certificate for the host that speaks for itself."""
    folder.mkdir()
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    name = ("-subj", "/CN=own", "-addext", f"subjectAltName=DNS:{HOST}")
    files = ("-keyout", folder / "tls.key", "-out", folder / "tls.crt")
    subprocess.run(["openssl", *words.split(), *name, *files], check=True, capture_output=True)
    made = reference("v1", "Secret", "own", NAMESPACE)
    made["type"] = "kubernetes.io/tls"
    made["data"] = {
        key: base64.b64encode((folder / key).read_bytes()).decode()
        for key in ("tls.crt", "tls.key")
    }
    return made


def _is_of(site: Site, context: ssl.SSLContext) -> bool:
    try:
        return bool(site.certificate(context))
    except ssl.SSLError:
        return False
