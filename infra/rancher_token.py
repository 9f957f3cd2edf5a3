"""What the Rancher server runs: it makes an API token, hands it over in AWS Secrets Manager, and renews it each month.

Not a part of the program: user data carries this file, and the server's own Python runs it, with nothing but its
standard library: 3.9 on Amazon Linux 2023. The token is in no command line, no log and no user data. Run again, it
does nothing while the token is young; `--now` replaces it all the same. Killed anywhere, the next run goes on: what is
handed over works, and tokens that a killed run has left are deleted.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

SETTINGS = os.environ.get("AERODROME_SETTINGS", "/etc/aerodrome/rancher-token.json")
SECONDS = 30
LATER, NEVER = 1, 3
"""Exit codes: systemd tries again after the first, and not after the other."""

RENEWED = 25 * 24 * 3600
"""The age in seconds from which a token is replaced. Rancher ends one after 90 days, unless it is told otherwise."""

LOGIN_MS = 600_000
MINE = "aerodrome: registers the cluster"
LOGIN = "aerodrome: the server itself"


class NotYet(Exception):
    """Something is not there yet."""


def run(*command: str, given: str = "") -> str:
    """The output of a command."""
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotYet(f"{' '.join(command[:5])}: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


def of_cluster(kind: str, name: str, path: str) -> str:
    """A field of an object of Rancher's in the cluster of this server."""
    where = ("-n", "cattle-system", "get", kind, name, "-o", f"jsonpath={{{path}}}")
    found = run("k3s", "kubectl", *where)
    if not found:
        raise NotYet(f"{kind} {name} has no {path} yet")
    return found


class OwnRancher:
    """This server's API. Inside of the server there is no TLS between them, as behind a load balancer."""

    def __init__(self, base: str, hostname: str) -> None:
        self.base, self.hostname, self.token = base, hostname, ""

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {
            "Host": self.hostname,
            "X-Forwarded-Proto": "https",
            "Content-Type": "application/json",
        }
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, content, headers, method=method)
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            found: dict[str, Any] = json.loads(answer.read() or b"{}")
            return found

    def accepts(self, token: str) -> bool:
        """Asks with this token from now on, if it works."""
        self.token = token
        try:
            self.ask("GET", "/v3/settings/server-url")
        except urllib.error.HTTPError as error:
            if error.code != 401:
                raise
            self.token = ""
        return bool(self.token)

    def log_in(self) -> None:
        """As the administrator, with the password that Rancher has made for its first login."""
        secret = of_cluster("secret", "bootstrap-secret", ".data.bootstrapPassword")
        login = {
            "type": "localProvider",
            "username": "admin",
            "password": base64.b64decode(secret).decode(),
            "responseType": "json",
            "description": LOGIN,
            "ttl": LOGIN_MS,
        }
        self.token = self.ask("POST", "/v1-public/login", login)["token"]

    def make_token(self) -> dict[str, str]:
        """Address, token and authority of this Rancher. It is asked with the new token from now on."""
        url = f"https://{self.hostname}"
        # Without it no cluster can be registered: agents are told this address.
        if not self.ask("GET", "/v3/settings/server-url").get("value"):
            setting = {"name": "server-url", "value": url}
            self.ask("PUT", "/v3/settings/server-url", setting)
        wanted = {"type": "token", "description": MINE, "ttl": 0}
        self.token = self.ask("POST", "/v3/tokens", wanted)["token"]
        authority = self.ask("GET", "/v3/settings/cacerts").get("value") or ""
        return {"url": url, "token": self.token, "authority": authority}

    def delete_others(self) -> None:
        """Former tokens, and what this or a killed run has logged in with."""
        for one in self.ask("GET", "/v3/tokens").get("data") or ():
            name = one.get("name") or one.get("id") or ""
            if one.get("description") in (MINE, LOGIN) and name != self.token.partition(":")[0]:
                self.ask("DELETE", f"/v3/tokens/{name}")


def hand_over(settings: dict[str, Any], content: dict[str, str]) -> None:
    """Writes the secret. Its value is neither on the command line nor in a file."""
    aws = ("aws", "--region", settings["region"], "secretsmanager", "put-secret-value")
    where = ("--secret-id", settings["secret"], "--secret-string", "file:///dev/stdin")
    run(*aws, *where, given=json.dumps(content))


def keep(file: Path, token: str) -> None:
    """For the renewal: the first password works until somebody changes it. Only root reads it."""
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600, exist_ok=False)
    new.write_text(token)
    new.replace(file)


def renew(settings: dict[str, Any], kept: Path) -> None:
    """Another token, handed over; then the former ones go."""
    service = of_cluster("service", "rancher", ".spec.clusterIP")
    rancher = OwnRancher(f"http://{service}", settings["hostname"])
    if not (kept.exists() and rancher.accepts(kept.read_text())):
        rancher.log_in()
    content = rancher.make_token()
    hand_over(settings, content)
    # In this order: a run that is killed before this line begins anew, and after it has nothing to do.
    keep(kept, content["token"])
    try:
        rancher.delete_others()
    except (OSError, ValueError) as error:
        tell(f"former tokens stay: {error}", 0)


def main(arguments: list[str]) -> int:
    """The exit code. What is printed is in the journal of the service."""
    settings = json.loads(Path(SETTINGS).read_text(encoding="utf-8"))
    folder = Path(settings["folder"])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = folder / "rancher-token"
    young = kept.exists() and time.time() - kept.stat().st_mtime < RENEWED
    if young and "--now" not in arguments:
        return tell("the token that was handed over is young", 0)
    try:
        renew(settings, kept)
    except urllib.error.HTTPError as error:
        if error.code == 401:
            text = "Rancher's first password was changed, and its token is refused: write one of its administrator's"
            return tell(f"{text} into {kept} (mode 0600), and run this again with --now", NEVER)
        return tell(f"Rancher answers {error.code} to {error.url}", LATER)
    except (NotYet, OSError, ValueError, KeyError) as error:
        return tell(f"not yet: {error}", LATER)
    return tell("the token is handed over", 0)


def tell(text: str, code: int) -> int:
    """Its exit code, with the reason in the journal."""
    sys.stderr.write(text + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
