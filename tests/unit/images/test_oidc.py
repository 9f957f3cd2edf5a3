"""The login by OpenID Connect: a real identity provider and a real api-server with Flask AppBuilder on PostgreSQL, with what
the chart and the image set, and a browser's part done by httpx."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from infra import user_access
from tests.ports import free_port
from tests.unit.images import airflow_database, chromium, identity_provider, real_airflow
from tests.unit.images.airflow_database import FERNET_KEY, Database
from tests.unit.images.chromium import Browser
from tests.unit.images.identity_provider import CLIENT, SECRET, IdentityProvider, follow, submit
from tests.unit.images.loading import IMAGES
from tests.unit.images.real_airflow import MODULES, RealAirflow, answers, until

pytestmark = pytest.mark.slow

ADMIN: Final = {
    "ADMIN_USERNAME": "admin",
    "ADMIN_PASSWORD": "admins-pass",
    "ADMIN_EMAIL": "admin@example.org",
}
CHECK_SECONDS: Final = 3
FILE: Final = """
roles:
  alpha-editor: {extends: [User], dags: owned}
users:
  local: {email: local@example.org, roles: [Viewer]}
owners:
  alpha: {folders: [alpha], editors: [alpha-editor]}
groups:
  platform: [Admin]
  analysts: [Viewer]
  operators: [Op]
  alphas: [alpha-editor]
"""
USERS: Final = {
    "paula": ["platform"],
    "anna": ["analysts", "lunch"],
    "oskar": ["analysts", "operators"],
    "alfred": ["alphas"],
    "nobody": ["lunch"],
    "alone": [],
    "mover": ["analysts"],
    "leaver": ["analysts"],
    "ender": ["analysts"],
    "stayer": ["analysts"],
    "admin": ["analysts"],
}
PASSWORDS: Final = {name: f"the-pass-of-{name}" for name in USERS}
DAG: Final = """
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator
with DAG("{n}", schedule=None):
    EmptyOperator(task_id="t")
"""


@dataclass
class Site:
    """Airflow and its provider."""

    airflow: RealAirflow
    idp: IdentityProvider
    database: Database

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.airflow.port}"

    @property
    def name(self) -> str:
        """Its address on another site than the provider's."""
        return f"http://localhost:{self.airflow.port}"

    @contextmanager
    def browser(self) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.url, trust_env=False, timeout=60) as client:
            yield client

    def to_the_provider(self, browser: httpx.Client, user: str, more: str = "") -> httpx.Response:
        """The redirect with which the provider sends the browser back."""
        browser.cookies.clear()
        page = follow(browser, browser.get(f"/auth/login/oidc{more}"))
        page = follow(browser, submit(browser, page, login=user))
        sent = submit(browser, page, password=PASSWORDS[user])
        back = follow(browser, sent, self.url)
        # Tokens that Canaille makes for a user within a second are the same, and it refuses to keep the second one.
        time.sleep(1.01 - time.time() % 1)
        return back

    def login(self, browser: httpx.Client, user: str, more: str = "") -> httpx.Response:
        """What Airflow answers in the end, and the browser's state."""
        back = self.to_the_provider(browser, user, more)
        return browser.get(back.headers["location"])

    def roles(self, user: str) -> list[str]:
        query = """
            select r.name from ab_role r join ab_user_role ur on ur.role_id = r.id
            join ab_user u on u.id = ur.user_id where u.username = %s order by r.name"""
        return [str(row[0]) for row in self.database.ask(query, user)]


def me(browser: httpx.Client) -> int:
    """What the API says to the browser."""
    return browser.get("/api/v2/dags").status_code


def after_the_check(look: Callable[[], int], wanted: int) -> float:
    """Seconds until it is so: at the first request after the time of the check."""
    began = time.monotonic()
    until(lambda: look() == wanted, CHECK_SECONDS + 5, pause=0.2)
    return time.monotonic() - began


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("airflow")
    (home / "access.yaml").write_text(FILE)
    declared = user_access.check(root=home, administrator="admin")
    assert declared is not None
    (home / "access.json").write_text(declared.text())
    for folder in ("alpha", "others"):
        (home / "dags" / folder).mkdir(parents=True)
        (home / "dags" / folder / "dag.py").write_text(DAG.format(n=f"dag_of_{folder}"))
    idp = IdentityProvider(tmp_path_factory.mktemp("provider"), free_port())
    web, processor = identity_provider.chart(declared.data(), idp.issuer, CHECK_SECONDS)
    config = (IMAGES / "airflow" / "webserver_config.py").read_text()
    # Of a machine that is busy with other tests, five seconds may be too few for a provider's answer.
    patient = "import aerodrome_oidc\naerodrome_oidc.TIMEOUT = 60\n"
    (home / "config.py").write_text(f"{patient}{config}\nAUTH_RATE_LIMIT = '1000 per second'\n")
    with airflow_database.running(home) as databases:
        database = databases.new("oidc")
        given = {
            "ACCESS_FILE": str(home / "access.json"),
            "ACCESS_PASSWORDS": json.dumps({"local": "locals-pass"}),
        }
        done = database.run("prepare_database", **ADMIN, **given)
        assert done.returncode == 0, done.stderr[-3000:]
        bundle = {
            "name": "dags-folder",
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(home / "dags")},
        }
        settings = {
            **{key: text for key, text in database.settings.items() if "AUTH_MANAGER" in key},
            "AIRFLOW__CORE__FERNET_KEY": FERNET_KEY,
            "AIRFLOW__FAB__CONFIG_FILE": str(home / "config.py"),
            "AIRFLOW__FAB__UPDATE_FAB_PERMS": "False",
            "PYTHONPATH": f"{MODULES}:{IMAGES / 'airflow' / 'policy'}",
            **processor,
        }
        try:
            # The provider is away while Airflow starts.
            with real_airflow.running(
                home, database.url, [bundle], settings, ["dag-processor"]
            ) as it:
                it.environment |= web
                it.start("api-server")
                found = Site(it, idp, database)
                with found.browser() as browser:
                    until(lambda: answers(browser))
                addresses = [found.url, found.name]
                idp.start(identity_provider.content(addresses, USERS, PASSWORDS))
                until(lambda: database.ask("select count(*) from serialized_dag") == [(2,)])
                yield found
        finally:
            idp.stop()


class TestLogin:
    def test_it_is_the_authorization_code_flow_with_state_nonce_and_pkce(self, site: Site) -> None:
        with site.browser() as browser:
            page = browser.get("/auth/login/")
            assert page.status_code == 200
            (link,) = re.findall(r'href="([^"]+)">Log in with OpenID Connect', page.text)
            assert link == "/auth/login/oidc"
            assert 'href="/auth/login/local"' in page.text
            sent = browser.get(link)
        there = urlsplit(sent.headers["location"])
        asked = {name: value for name, (value,) in parse_qs(there.query).items()}
        assert f"{there.scheme}://{there.netloc}" == site.idp.issuer
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert asked["client_id"] == CLIENT
        assert asked["redirect_uri"] == f"{site.url}/auth/oauth-authorized/oidc"
        assert all(len(asked[name]) >= 20 for name in ("state", "nonce", "code_challenge"))
        assert "client_secret" not in asked

    def test_the_groups_are_the_roles(self, site: Site) -> None:
        with site.browser() as browser:
            answer = site.login(browser, "anna")
            assert answer.status_code == 302, answer.text[:3000]
            assert me(browser) == 200
            assert browser.get("/api/v2/variables").status_code == 403
            site.login(browser, "oskar")
            assert browser.get("/api/v2/variables").status_code == 200
            site.login(browser, "paula")
            assert browser.get("/auth/fab/v1/users").status_code == 200
        assert site.roles("anna") == ["Viewer"]
        assert site.roles("oskar") == ["Op", "Viewer"]
        assert site.roles("paula") == ["Admin"]
        (row,) = site.database.ask(
            "select email, first_name, last_name, password from ab_user where username = 'anna'"
        )
        assert row == ("anna@example.org", "Anna", "Example", None)

    def test_it_leads_to_where_the_user_wanted_to_go_and_nowhere_else(self, site: Site) -> None:
        with site.browser() as browser:
            answer = site.login(browser, "anna", f"?next={site.url}/dags/dag_of_alpha")
            assert answer.headers["location"] == f"{site.url}/dags/dag_of_alpha"
            assert me(browser) == 200
            answer = site.login(browser, "anna", "?next=https://elsewhere.example.org/")
            assert answer.status_code == 302, answer.text[:3000]
            assert "elsewhere" not in answer.headers["location"]

    def test_owners_dags_are_for_the_roles_of_groups(self, site: Site) -> None:
        with site.browser() as browser:
            site.login(browser, "alfred")
            shown = browser.get("/api/v2/dags").json()
            assert [one["dag_id"] for one in shown["dags"]] == ["dag_of_alpha"]
            assert browser.get("/api/v2/dags/dag_of_others").status_code == 403

    @pytest.mark.parametrize(("user", "said"), [("nobody", "lunch"), ("alone", "in no group")])
    def test_who_has_no_group_with_a_role_is_told_so_and_has_no_access(
        self, site: Site, user: str, said: str
    ) -> None:
        with site.browser() as browser:
            answer = site.login(browser, user)
            assert answer.status_code == 403
            assert said in answer.text
            assert "has a role in this Airflow" in answer.text
            assert me(browser) == 401
        assert not site.database.ask("select 1 from ab_user where username = %s", user)

    def test_a_name_of_airflows_own_gives_nobody_its_account(self, site: Site) -> None:
        with site.browser() as browser:
            answer = site.login(browser, "admin")
            assert answer.status_code == 403
            assert "The name admin is an account" in answer.text
            assert me(browser) == 401
        assert site.roles("admin") == ["Admin"]

    def test_an_id_token_for_nobody_or_for_somebody_else_is_refused(self, site: Site) -> None:
        with site.browser() as browser:
            site.idp.execute("update client_audience_association_table set client_id = 'gone'")
            try:
                answer = site.login(browser, "anna")
            finally:
                site.idp.execute(
                    "update client_audience_association_table set client_id = 'client'"
                )
            assert answer.status_code == 400
            assert "answer is not valid" in answer.text
            assert me(browser) == 401

    def test_an_answer_to_another_browser_is_refused(self, site: Site) -> None:
        with site.browser() as browser, site.browser() as other:
            back = site.to_the_provider(browser, "anna").headers["location"]
            answer = other.get(back)
            assert answer.status_code == 400
            assert "did not begin in this browser" in answer.text
            assert me(other) == 401
            # And a code counts once.
            assert browser.get(back).status_code == 302
            assert browser.get(back).status_code == 400

    def test_the_secrets_of_the_login_are_nowhere_in_clear(self, site: Site) -> None:
        with site.browser() as browser:
            site.login(browser, "anna")
        rows = site.database.ask("select tokens from aerodrome_oidc")
        assert rows
        assert not [
            text for (text,) in rows if "access_token" in text or not text.startswith("gAAAA")
        ]
        log = site.airflow.log()
        assert SECRET not in log
        assert "access_token" not in log


class TestPasswords:
    def _form(self, site: Site, user: str, password: str) -> httpx.Response:
        with site.browser() as browser:
            page = browser.get("/auth/login/local")
            found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
            assert found, page.text[:2000]
            form = {"username": user, "password": password, "csrf_token": found[1]}
            answer = browser.post("/auth/login/local", data=form)
            if "/auth/login" not in answer.headers.get("location", "/auth/login"):
                assert me(browser) == 200
            return answer

    @pytest.mark.parametrize(
        ("user", "password"), [("admin", "admins-pass"), ("local", "locals-pass")]
    )
    def test_accounts_of_airflows_own_log_in_beside_it(
        self, site: Site, user: str, password: str
    ) -> None:
        answer = self._form(site, user, password)
        assert answer.status_code == 302
        assert "/auth/login" not in answer.headers["location"]
        assert "_token=" in "".join(answer.headers.get_list("set-cookie"))
        assert "/auth/login/local" in self._form(site, user, "wrong").headers["location"]
        with site.browser() as browser:
            login = {"username": user, "password": password}
            token = browser.post("/auth/token", json=login).json()["access_token"]
            bearer = {"Authorization": f"Bearer {token}"}
            assert browser.get("/api/v2/dags", headers=bearer).status_code == 200

    def test_an_account_of_the_provider_has_none_whatever_is_set_for_it(self, site: Site) -> None:
        with site.browser() as browser:
            site.login(browser, "anna")
            login = {"username": "anna", "password": "admins-pass"}
            site.database.ask(
                "update ab_user set password = (select password from ab_user where username = 'admin') "
                "where username = 'anna'"
            )
            assert browser.post("/auth/token", json=login).status_code == 401


class TestChecks:
    """The provider is asked at the first request after `checkSeconds`."""

    def test_a_group_that_is_taken_away_ends_the_access(self, site: Site) -> None:
        with site.browser() as browser, site.browser() as other:
            site.login(browser, "leaver")
            site.login(other, "leaver")
            bearer = {"Authorization": f"Bearer {browser.cookies['_token']}"}
            assert me(browser) == me(other) == 200
            site.idp.leave("leaver", "analysts")
            assert after_the_check(lambda: me(browser), 401) <= CHECK_SECONDS + 2
            # Every session, every way, and Flask AppBuilder's pages.
            assert me(other) == 401
            assert (
                httpx.get(f"{site.url}/api/v2/dags", headers=bearer, trust_env=False).status_code
                == 401
            )
            assert other.get("/auth/users/userinfo/").status_code != 200
            assert site.roles("leaver") == []
            answer = site.login(browser, "leaver")
            assert answer.status_code == 403
            assert "has a role in this Airflow" in answer.text
            site.idp.join("leaver", "analysts")
            assert site.login(browser, "leaver").status_code == 302
            assert me(browser) == 200

    def test_another_group_counts_without_another_login(self, site: Site) -> None:
        with site.browser() as browser:
            site.login(browser, "mover")

            def variables() -> int:
                return browser.get("/api/v2/variables").status_code

            assert variables() == 403
            site.idp.join("mover", "operators")
            after_the_check(variables, 200)
            site.idp.leave("mover", "operators")
            after_the_check(variables, 403)
            assert site.roles("mover") == ["Viewer"]

    def test_an_access_token_that_counts_no_longer_is_replaced(self, site: Site) -> None:
        query = """
            select o.tokens from aerodrome_oidc o join ab_user u on u.id = o.user_id
            where u.username = 'stayer'"""
        with site.browser() as browser:
            site.login(browser, "stayer")
            before = site.database.ask(query)
            site.idp.execute(
                "update token set access_token = 'gone-' || access_token where subject_id = 'user-stayer'"
            )
            time.sleep(CHECK_SECONDS + 0.5)
            assert me(browser) == 200
            assert site.database.ask(query) != before
            time.sleep(CHECK_SECONDS + 0.5)
            assert me(browser) == 200

    def test_the_login_ends_when_both_tokens_have_expired(self, site: Site) -> None:
        with site.browser() as browser:
            site.login(browser, "stayer")
            site.idp.execute(
                "update token set issue_date = datetime('now', '-90 days') where subject_id = 'user-stayer'"
            )
            after_the_check(lambda: me(browser), 401)
            assert site.login(browser, "stayer").status_code == 302
            assert me(browser) == 200

    def test_a_session_that_the_provider_has_ended_is_over(self, site: Site) -> None:
        with site.browser() as browser:
            site.login(browser, "ender")
            assert me(browser) == 200
            site.idp.execute(
                "update token set revokation_date = datetime('now', '-1 minute') where subject_id = 'user-ender'"
            )
            after_the_check(lambda: me(browser), 401)
            assert site.login(browser, "ender").status_code == 302
            assert me(browser) == 200

    def test_each_way_of_asking_has_its_answer(self, site: Site) -> None:
        """Some providers say groups in the ID token only, and some give no refresh token."""
        with site.browser() as browser:
            site.login(browser, "anna")
        ((sealed,),) = site.database.ask(
            "select tokens from aerodrome_oidc where subject = 'anna'",
        )
        given = {
            "key": site.airflow.environment["AIRFLOW__API__SECRET_KEY"],
            "tokens": sealed,
            "issuer": site.idp.issuer,
            "client": CLIENT,
            "secret": SECRET,
        }
        done = subprocess.run(
            [airflow_database.python(), "-c", identity_provider.ASKING],
            input=json.dumps(given),
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(MODULES)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        groups = ["analysts", "lunch"]
        assert json.loads(done.stdout) == {
            "user info": groups,
            "somebody else": "EndedError",
            "nobody there": "UnavailableError",
            "user info, expired": groups,
            "user info, expired, no refresh token": "EndedError",
            "id token, no refresh token": None,
            "id token, which the refresh token does not bring": None,
            "id token, expired": "EndedError",
        }


class TestOutages:
    def test_sessions_live_on_and_others_are_told_while_the_provider_is_away(
        self, site: Site
    ) -> None:
        with site.browser() as browser, site.browser() as other:
            site.login(browser, "anna")
            site.idp.stop()
            try:
                time.sleep(CHECK_SECONDS + 0.5)
                for _ in range(2):
                    assert me(browser) == 200
                    time.sleep(CHECK_SECONDS + 0.5)
                answer = other.get("/auth/login/oidc")
                assert answer.status_code == 503
                assert f"{site.idp.issuer} cannot be reached" in answer.text
                assert "/auth/login/local" in answer.text
            finally:
                site.idp.start()
            assert me(browser) == 200
            # It has other keys now.
            assert site.login(other, "oskar").status_code == 302

    def test_a_wrong_secret_of_the_client_is_named(self, site: Site) -> None:
        with site.browser() as browser, site.browser() as working:
            site.login(working, "anna")
            site.idp.execute("update client set client_secret = 'another'")
            try:
                answer = site.login(browser, "oskar")
                assert answer.status_code == 502
                assert "client id, its secret or its address is wrong" in answer.text
                assert SECRET not in answer.text
                assert me(browser) == 401
                assert me(working) == 200
            finally:
                site.idp.execute("update client set client_secret = ?", SECRET)
            assert site.login(browser, "oskar").status_code == 302


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium.running(tmp_path_factory.mktemp("chromium")) as tab:
        yield tab


class TestInABrowser:
    """A real one: what it shows, and what is clicked. No page may break its Content-Security-Policy in it."""

    @pytest.fixture
    def browser(self, site: Site, tab: Browser) -> Iterator[Browser]:
        tab.forget()
        tab.go(f"{site.name}/dags")
        yield tab
        assert tab.violations == []

    def _login(self, browser: Browser, user: str) -> None:
        browser.click("Log in with OpenID Connect")
        browser.write("login", user)
        browser.reads("enter your password")
        time.sleep(1.01 - time.time() % 1)
        browser.write("password", PASSWORDS[user])

    def _logout(self, browser: Browser, user: str) -> None:
        browser.click("User")
        browser.reads(f"Signed in as\n{user} ")
        browser.click("Logout")
        browser.click("Confirm")

    def test_the_login_leads_into_the_ui_and_the_logout_out_of_both(
        self, site: Site, browser: Browser
    ) -> None:
        self._login(browser, "anna")
        browser.reads("dag_of_alpha")
        assert browser.address == f"{site.name}/dags"
        assert browser.violations == []
        browser.run(
            "document.body.append(Object.assign(document.createElement('script'), {text: '1'}))"
        )
        assert browser.until(lambda: browser.run("1") and browser.violations)
        browser.violations.clear()
        copied = browser.cookies()
        self._logout(browser, "anna")
        browser.reads("Log in with OpenID Connect")
        assert browser.address.startswith(f"{site.name}/auth/login/")
        assert "_token" not in browser.cookies()
        with site.browser() as thief:
            # The session is over, not forgotten by one browser.
            thief.cookies.update(copied)
            assert me(thief) == 403
            assert thief.get("/auth/login/").status_code == 200
        # The provider asks again, and another user may come.
        self._login(browser, "oskar")
        browser.reads("Welcome")
        site.idp.execute(
            "update token set issue_date = datetime('now', '-90 days') where subject_id = 'user-oskar'"
        )
        time.sleep(CHECK_SECONDS + 0.5)
        browser.click("Dags", unless="Log in with OpenID Connect")
        browser.reads("Log in with OpenID Connect")

    def test_who_has_no_group_any_more_is_led_out_and_the_administrator_in(
        self, site: Site, browser: Browser
    ) -> None:
        self._login(browser, "nobody")
        browser.reads("none of your groups (lunch) has a role in this Airflow")
        browser.go(f"{site.name}/dags")
        browser.click("Log in with OpenID Connect")
        browser.click("Log out at the provider, to log in as somebody else")
        self._login(browser, "leaver")
        browser.reads("Welcome")
        site.idp.leave("leaver", "analysts")
        try:
            time.sleep(CHECK_SECONDS + 0.5)
            browser.click("Assets", unless="Log in with OpenID Connect")
            browser.click("Log in with a password of this Airflow")
            browser.write("username", "admin", enter=False)
            browser.write("password", ADMIN["ADMIN_PASSWORD"])
            self._logout(browser, "admin")
            browser.reads("Log in with OpenID Connect")
        finally:
            site.idp.join("leaver", "analysts")

    def test_where_nobody_can_be_logged_out_at_the_provider_it_is_said(
        self, site: Site, browser: Browser
    ) -> None:
        site.idp.stop()
        site.idp.start(without="end_session_endpoint")
        try:
            self._login(browser, "anna")
            self._logout(browser, "anna")
            browser.reads(f"Airflow cannot log you out at {site.idp.issuer}: you may still be")
            # And so it is.
            browser.click("Log in again")
            browser.reads("Welcome")
            site.idp.stop()
            time.sleep(CHECK_SECONDS + 0.5)
            browser.click("Dags")
            browser.reads("dag_of_alpha")
            self._logout(browser, "anna")
            browser.reads(f"{site.idp.issuer} cannot be reached: you may still be")
            browser.click("Log in again")
            browser.reads("No login for now")
            assert "_token" not in browser.cookies()
        finally:
            site.idp.stop()
            site.idp.start()
