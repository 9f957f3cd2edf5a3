"""An OpenID provider for the tests of the login: Canaille as a process of its own, with its users in a SQLite database.

What its administrators do (groups, revoked tokens) is done in that database; what its users do, as a browser does.
"""

import json
import os
import re
import signal
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import httpx

from cli.base.paths import ROOT
from cli.operations.dags import check
from tests.ports import free_port
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

    def start(self, content: Mapping[str, Any] | None = None) -> None:
        """With this content, if it has none yet."""
        config = self.home / "canaille.toml"
        config.write_text(CONFIG.format(port=self.port, database=self.database))
        python = check.environment(print, LOCK) / "bin" / "python"
        with (self.home / "canaille.out").open("ab") as out:
            self.process = subprocess.Popen(
                [str(python), "-c", SERVE, f"127.0.0.1:{self.port}"],
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
    redirects: Sequence[str], users: Mapping[str, Sequence[str]], passwords: Mapping[str, str]
) -> dict[str, Any]:
    """Users, each with groups, and the client that Airflow is. Ids are names."""
    groups = sorted({group for those in users.values() for group in those})
    client = {
        "id": "client",
        "client_id": CLIENT,
        "client_secret": SECRET,
        "client_name": "Airflow",
        # A client of this machine is trusted: no page asks for consent.
        "client_uri": "http://127.0.0.1/",
        "redirect_uris": list(redirects),
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


@contextmanager
def running(home: Path, given: Mapping[str, Any]) -> Iterator[IdentityProvider]:
    """With that content."""
    it = IdentityProvider(home, free_port())
    try:
        it.start(given)
        yield it
    finally:
        it.stop()


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
