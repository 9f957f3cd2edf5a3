"""What a browser is told, how long a login lasts, and how often a password may be tried: each looked at in a real answer of a
real api-server with Flask AppBuilder on a real PostgreSQL, with what the chart and the image set."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Final

import httpx
import pytest

from tests.charts.rendering import Object, render
from tests.unit.images import airflow_database, real_airflow
from tests.unit.images.airflow_database import FERNET_KEY
from tests.unit.images.loading import IMAGES
from tests.unit.images.real_airflow import MODULES, answers, until

USER, PASSWORD = "admin", "admins-pass"
ADMIN: Final = {
    "ADMIN_USERNAME": USER,
    "ADMIN_PASSWORD": PASSWORD,
    "ADMIN_EMAIL": "admin@example.org",
}
MINUTES: Final = 30
FAILURES: Final = 3
UI: Final[Object] = {
    "sessionMinutes": MINUTES,
    "loginFailures": f"{FAILURES} per 5 minutes",
    "contentSources": ["https://cdn.example.org"],
}
HOST: Final = "airflow.example.org"
PATH: Final = "/some/path"


@dataclass
class Server:
    """An api-server, and how people reach it."""

    address: str
    path: str

    def client(self) -> httpx.Client:
        # As what ends TLS hands it on, and as a browser says where a form was.
        told = {"Host": HOST, "Referer": f"https://{HOST}{PATH}/auth/login/"} if self.path else {}
        return httpx.Client(
            base_url=self.address + self.path, trust_env=False, timeout=60, headers=told
        )


@pytest.fixture(
    scope="module", params=[pytest.param("", marks=pytest.mark.slow), f"https://{HOST}{PATH}"]
)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """As it is by default; and behind something that ends TLS and gives it a folder of a host."""
    home = tmp_path_factory.mktemp("airflow")
    base_url = str(request.param)
    ingress = {"host": HOST, "ingress": {"issuer": "some"}} if base_url else {}
    chart = render({"ui": {**UI, **ingress, "baseUrl": base_url}}).environment()
    names = (
        *("AIRFLOW__FAB__", "AIRFLOW__API__BASE_URL"),
        *("AERODROME_CONTENT", "AERODROME_LOGIN", "AERODROME_INGRESS"),
    )
    with airflow_database.running(home) as databases:
        database = databases.new("web")
        done = database.run("prepare_database", **ADMIN)
        assert done.returncode == 0, done.stderr[-3000:]
        # Flask AppBuilder takes five forms in 40 seconds from one address, whoever they are of.
        config = (IMAGES / "airflow" / "webserver_config.py").read_text()
        (home / "config.py").write_text(f"{config}\nAUTH_RATE_LIMIT = '1000 per second'\n")
        settings = {
            **{key: text for key, text in database.settings.items() if "AUTH_MANAGER" in key},
            **{key: text for key, text in chart.items() if key.startswith(names)},
            "AIRFLOW__CORE__FERNET_KEY": FERNET_KEY,
            "AIRFLOW__FAB__CONFIG_FILE": str(home / "config.py"),
            "PYTHONPATH": f"{MODULES}:{IMAGES / 'airflow' / 'policy'}",
        }
        with real_airflow.running(home, database.url, [], settings, ["api-server"]) as airflow:
            found = Server(f"http://127.0.0.1:{airflow.port}", PATH if base_url else "")
            with found.client() as client:
                until(lambda: answers(client))
            yield found


def _login(client: httpx.Client, user: str, password: str) -> httpx.Response:
    """By the form, as a browser does."""
    page = client.get("/auth/login/")
    cookie = page.headers["set-cookie"].split(";")[0]
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert found, page.text[:2000]
    form = {"username": user, "password": password, "csrf_token": found[1]}
    return client.post("/auth/login/", data=form, headers={"Cookie": cookie})


def _rules(answer: httpx.Response) -> dict[str, list[str]]:
    rules = (rule.split() for rule in answer.headers["content-security-policy"].split(";"))
    return {name: values for name, *values in rules}


@pytest.mark.parametrize("path", ["/execution/health", "/api/v2/version", "/auth/login/"])
def test_probes_and_tasks_reach_it_inside_the_cluster(server: Server, path: str) -> None:
    """By no host name and without the folder that people's address may have."""
    assert httpx.get(server.address + path, trust_env=False, timeout=60).status_code == 200


@pytest.fixture
def behind(server: Server) -> Server:
    """Where something stands before it."""
    if not server.path:
        pytest.skip("nothing stands before it")
    return server


class TestIngress:
    """What comes through an Ingress, as controllers hand it on."""

    @pytest.mark.parametrize("host", [HOST, HOST.upper(), f"{HOST}:443", f"{HOST}."])
    @pytest.mark.parametrize("path", ["/execution/health", "/%65xecution/health", "/execution"])
    def test_tasks_api_is_not_for_the_outside(self, behind: Server, host: str, path: str) -> None:
        for start in ("", PATH):
            url = behind.address + start + path
            answer = httpx.get(url, headers={"Host": host}, trust_env=False, timeout=60)
            assert answer.status_code == 404, url
            assert answer.text == "Not found.\n"

    def test_nor_by_another_host_that_somebody_hands_on(self, behind: Server) -> None:
        told = {"X-Forwarded-For": "203.0.113.9"}
        url = f"{behind.address}/execution/health"
        assert httpx.get(url, headers=told, trust_env=False, timeout=60).status_code == 404

    def test_plain_http_is_redirected_to_the_same_page(self, behind: Server) -> None:
        told = {"Host": f"{HOST}:80", "X-Forwarded-Proto": "http"}
        url = f"{behind.address}{PATH}/dags?search=%C3%A9"
        for method in ("GET", "POST"):
            answer = httpx.request(method, url, headers=told, trust_env=False, timeout=60)
            assert answer.status_code == 308
            assert answer.headers["location"] == f"https://{HOST}{PATH}/dags?search=%C3%A9"

    def test_hsts_comes_however_the_host_is_written(self, behind: Server) -> None:
        url = f"{behind.address}{PATH}/api/v2/version"
        for host in (HOST.upper(), f"{HOST}:443"):
            answer = httpx.get(url, headers={"Host": host}, trust_env=False, timeout=60)
            assert answer.headers["strict-transport-security"] == "max-age=31536000"

    def test_logins_are_counted_by_the_address_that_the_controller_saw(
        self, behind: Server
    ) -> None:
        with behind.client() as client:

            def attempt(addresses: str) -> int:
                body = {"username": "somebody", "password": "wrong"}
                told = {"X-Forwarded-For": addresses}
                return client.post("/auth/token", json=body, headers=told).status_code

            # What a client says of itself comes first, and is not believed.
            answers = [attempt(f"198.51.100.{n}, 203.0.113.9") for n in range(FAILURES + 1)]
            assert answers == [401] * FAILURES + [429]
            assert attempt("203.0.113.10") == 401


class TestHeaders:
    @pytest.mark.parametrize("path", ["/", "/auth/login/", "/api/v2/version", "/api/v2/none"])
    def test_every_answer_has_them(self, server: Server, path: str) -> None:
        with server.client() as client:
            headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "SAMEORIGIN"
        assert headers["referrer-policy"] == "same-origin"
        told = headers.get("strict-transport-security", "")
        assert told == ("max-age=31536000" if server.path else "")

    def test_the_ui_runs_its_own_scripts_and_those_of_the_sources_that_are_given(
        self, server: Server
    ) -> None:
        with server.client() as client:
            page = client.get("/")
        rules = _rules(page)
        assert rules["script-src"] == ["'self'", "https://cdn.example.org"]
        assert rules["default-src"] == ["'self'", "https://cdn.example.org"]
        assert rules["object-src"] == ["'none'"]
        assert rules["frame-ancestors"] == rules["form-action"] == ["'self'"]
        scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page.text, re.DOTALL)
        assert scripts
        assert all('src="' in attributes and not text for attributes, text in scripts)

    def test_the_pages_of_the_login_have_scripts_within_and_load_none_from_elsewhere(
        self, server: Server
    ) -> None:
        with server.client() as client:
            page = client.get("/auth/login/")
        assert "'unsafe-inline'" in _rules(page)["script-src"]
        outside = re.findall(r'(?:src|href)="(https?://[^"]+)"', page.text)
        assert not [each for each in outside if "127.0.0.1" not in each and "airflow." not in each]


class TestSessions:
    def test_cookies_are_closed_to_scripts_and_other_sites(self, server: Server) -> None:
        with server.client() as client:
            answer = _login(client, USER, PASSWORD)
        assert answer.status_code == 302
        assert "/auth/login" not in answer.headers["location"]
        cookies: dict[str, SimpleCookie] = {}
        for text in answer.headers.get_list("set-cookie"):
            one = SimpleCookie(text)
            cookies |= dict.fromkeys(one, one)
        assert {"session", "_token"} <= cookies.keys()
        for name in ("session", "_token"):
            found = cookies[name][name]
            assert found["httponly"], name
            assert found["samesite"] == "Lax", name
            assert bool(found["secure"]) == bool(server.path), name

    def test_they_end_although_somebody_is_at_work(self, server: Server) -> None:
        with server.client() as client:
            answer = _login(client, USER, PASSWORD)
        (token,) = re.findall(r"_token=([^;]+)", "\n".join(answer.headers.get_list("set-cookie")))
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        assert MINUTES * 60 - 30 < claims["exp"] - claims["iat"] <= MINUTES * 60

    def test_a_form_from_another_site_is_refused(self, server: Server) -> None:
        with server.client() as client:
            form = {"username": USER, "password": PASSWORD}
            answer = client.post("/auth/login/", data=form)
        assert answer.status_code in (302, 400)
        assert "_token" not in answer.headers.get("set-cookie", "")


class TestLogins:
    @pytest.mark.parametrize("way", ["form", "token"])
    def test_too_many_failures_of_one_account_are_refused_whatever_comes_next(
        self, server: Server, way: str
    ) -> None:
        user = f"nobody-{way}"
        with server.client() as client:

            def attempt(name: str) -> httpx.Response:
                if way == "form":
                    return _login(client, name, "wrong")
                body = {"username": name, "password": "wrong"}
                return client.post("/auth/token", json=body)

            before = [attempt(user).status_code for _ in range(FAILURES)]
            assert 429 not in before
            refused = attempt(user.upper())
            assert refused.status_code == 429
            assert 0 < int(refused.headers["retry-after"]) <= 300
            assert "Try again in" in refused.text
            assert refused.headers["x-content-type-options"] == "nosniff"
            # By the other way as well, and nobody else.
            body = {"username": user, "password": "wrong"}
            assert client.post("/auth/token", json=body).status_code == 429
            assert _login(client, user, "wrong").status_code == 429
            assert _login(client, USER, PASSWORD).status_code == 302
            login = {"username": USER, "password": PASSWORD}
            assert client.post("/auth/token", json=login).status_code == 201

    def test_logins_that_succeed_are_not_counted(self, server: Server) -> None:
        login = {"username": USER, "password": PASSWORD}
        for _ in range(FAILURES + 1):
            with server.client() as client:
                assert client.post("/auth/token", json=login).status_code == 201
                assert _login(client, USER, PASSWORD).status_code == 302
