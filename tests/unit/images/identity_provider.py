"""An OpenID provider for the tests of the login: Canaille as a process of its own, with its users in a SQLite database.

What its administrators do (groups, revoked tokens) is done in that database; what its users do, as a browser does.
"""

import json
import os
import re
import signal
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import httpx

from cli.base.paths import ROOT
from cli.operations.dags import check
from tests.charts.rendering import Object, render
from tests.unit.images.real_airflow import until

LOCK: Final = ROOT / "requirements" / "canaille.txt"

CLIENT, SECRET = "airflow", "the-secret-of-the-client"

CONFIG: Final = """
SECRET_KEY = "a-secret-of-the-provider"
SERVER_NAME = "127.0.0.1:{port}"
PREFERRED_URL_SCHEME = "http"
[CANAILLE]
DATABASE = "sql"
[CANAILLE_SQL]
DATABASE_URI = "sqlite:///{database}"
PASSWORD_SCHEMES = "plaintext"
"""

SERVE: Final = """
import json, sys
from canaille import create_app
from canaille.backends import Backend
from canaille.hypercorn.app import create_app as asgi
from canaille.oidc.endpoints import well_known
whole = well_known.openid_configuration
well_known.openid_configuration = lambda: {
    name: value for name, value in whole().items() if name not in sys.argv[2:]
}
app = create_app()
if what := sys.stdin.read():
    with app.app_context():
        Backend.instance.install(app)
        with Backend.instance.session():
            Backend.instance.restore(json.loads(what, object_hook=Backend.instance.json_decode_hook))
import asyncio, hypercorn.asyncio, hypercorn.config
config = hypercorn.config.Config()
config.bind = [sys.argv[1]]
config.accesslog = "-"
asyncio.run(hypercorn.asyncio.serve(asgi(), config))
"""


ASKING: Final = """
import json, sys
from dataclasses import replace
from authlib.integrations.flask_client import OAuth
from flask import Flask
import aerodrome_oidc as oidc
given = json.load(sys.stdin)
tokens = oidc.Sealed(given["key"]).open(given["tokens"])
def ask(subject="anna", issuer=given["issuer"], **changed):
    settings = oidc.Settings(issuer, given["client"], given["secret"])
    remote = OAuth(Flask("asking")).register("oidc", **settings.remote_app())
    asked = {key: value for key, value in {**tokens, **changed}.items() if value is not None}
    try:
        claims, kept = oidc.Provider(settings, remote).again(subject, asked)
    except (oidc.EndedError, oidc.UnavailableError) as error:
        return type(error).__name__
    # A refresh token counts once.
    tokens.update(kept)
    return claims and settings.groups_of(claims)
print(json.dumps({
    "user info": ask(),
    "somebody else": ask(subject="paula"),
    "nobody there": ask(issuer="http://127.0.0.1:9"),
    "user info, expired": ask(expires_at=1),
    "user info, expired, no refresh token": ask(expires_at=1, refresh_token=None),
    "id token, no refresh token": ask(by_id_token=True, refresh_token=None),
    "id token, which the refresh token does not bring": ask(by_id_token=True),
    "id token, expired": ask(by_id_token=True, refresh_token=None, expires_at=1),
}))
"""
"""Asks the real provider with what Airflow has of it, in each way that there is; in the image's Python."""


@dataclass
class IdentityProvider:
    """One provider, which may be away for a while."""

    home: Path
    port: int
    process: "subprocess.Popen[str] | None" = field(default=None)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> Path:
        return self.home / "canaille.sqlite"

    def start(self, content: Mapping[str, Any] | None = None, *, without: str = "") -> None:
        """With this content, if it has none yet. `without` a member of its description, which others do not have."""
        config = self.home / "canaille.toml"
        config.write_text(CONFIG.format(port=self.port, database=self.database))
        python = check.environment(print, LOCK) / "bin" / "python"
        with (self.home / "canaille.out").open("ab") as out:
            self.process = subprocess.Popen(
                [str(python), "-c", SERVE, f"127.0.0.1:{self.port}", without],
                env={"PATH": os.environ["PATH"], "CANAILLE_CONFIG": str(config)},
                cwd=self.home,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                text=True,
                start_new_session=True,
            )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(content) if content else "")
        self.process.stdin.close()
        until(self._answers)

    def stop(self) -> None:
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.home / "canaille.out").read_text()[-3000:]
        try:
            address = f"{self.issuer}/.well-known/openid-configuration"
            return httpx.get(address, trust_env=False, timeout=30).status_code == 200
        except httpx.TransportError:
            return False

    def execute(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.database, timeout=30)) as database, database:
            database.execute(statement, values)

    def leave(self, user: str, group: str) -> None:
        """An administrator takes a user out of a group."""
        self.execute(
            "delete from membership_association_table where user_id = "
            "(select id from user where user_name = ?) and "
            'group_id = (select id from "group" where display_name = ?)',
            user,
            group,
        )

    def join(self, user: str, group: str) -> None:
        self.leave(user, group)
        self.execute(
            "insert into membership_association_table (user_id, group_id, created_at) "
            'select u.id, g.id, current_timestamp from user u, "group" g '
            "where u.user_name = ? and g.display_name = ?",
            user,
            group,
        )


def content(
    airflows: Sequence[str], users: Mapping[str, Sequence[str]], passwords: Mapping[str, str]
) -> dict[str, Any]:
    """Users, each with groups, and the client that Airflow is, by each of its addresses. Ids are names."""
    groups = sorted({group for those in users.values() for group in those})
    client = {
        "id": "client",
        "client_id": CLIENT,
        "audience": ["client"],
        "client_secret": SECRET,
        "client_name": "Airflow",
        # A client of this machine is trusted: no page asks for consent.
        "client_uri": "http://127.0.0.1/",
        "redirect_uris": [f"{one}/auth/oauth-authorized/oidc" for one in airflows],
        "post_logout_redirect_uris": [f"{one}/auth/login/" for one in airflows],
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "scope": ["openid", "profile", "email", "groups"],
    }
    return {
        "user": [
            {
                "id": f"user-{name}",
                "user_name": name,
                "password": passwords[name],
                "given_name": name.capitalize(),
                "family_name": "Example",
                "formatted_name": f"{name.capitalize()} Example",
                "display_name": name,
                "emails": [f"{name}@example.org"],
            }
            for name in users
        ],
        "group": [
            {
                "id": f"group-{group}",
                "display_name": group,
                "members": [f"user-{name}" for name, those in users.items() if group in those],
            }
            for group in groups
        ],
        "client": [client],
    }


def chart(access: Object, issuer: str, check_seconds: int) -> tuple[dict[str, str], dict[str, str]]:
    """What the chart gives the api-server alone, and the dag-processor alone."""
    rendered = render(
        {
            "access": json.dumps(access),
            "secrets": {"oidc": "airflow-oidc"},
            "oidc": {
                "issuer": "https://login.example.org",
                "clientId": CLIENT,
                "checkSeconds": check_seconds,
            },
        }
    )
    assert rendered.error == ""
    found: dict[str, dict[str, str]] = {}
    for name, container in rendered.containers():
        for item in container.get("env", []):
            if item["name"].startswith(
                (
                    *("AERODROME_OIDC", "AERODROME_OWNERS"),
                    *("AIRFLOW__CORE__AUTH", "AIRFLOW__FAB__COOKIE"),
                )
            ):
                found.setdefault(name.rpartition("/")[2], {})[item["name"]] = item.get("value", "")
    assert set(found) == {"api-server", "dag-processor"}
    web = {**found["api-server"], "AERODROME_OIDC_ISSUER": issuer}
    assert web["AERODROME_OIDC_CLIENT_SECRET"] == ""
    return {**web, "AERODROME_OIDC_CLIENT_SECRET": SECRET}, found["dag-processor"]


def follow(browser: httpx.Client, answer: httpx.Response, until_host: str = "") -> httpx.Response:
    """Redirects one by one, to the first page that is none; or to the first address that begins like this, which is not
    asked for."""
    while answer.is_redirect:
        there = urljoin(str(answer.url), answer.headers["location"])
        if until_host and there.startswith(until_host):
            return answer
        answer = browser.get(there)
    return answer


def submit(browser: httpx.Client, page: httpx.Response, **fields: str) -> httpx.Response:
    """The page's form, with its hidden fields and these."""
    hidden = dict(re.findall(r'name="([^"]+)"[^>]*type="hidden"[^>]*value="([^"]*)"', page.text))
    hidden |= dict(re.findall(r'type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page.text))
    address = urlsplit(str(page.url))
    origin = f"{address.scheme}://{address.netloc}"
    return browser.post(
        str(page.url),
        data={**hidden, **fields},
        headers={"Referer": str(page.url), "Origin": origin},
    )
