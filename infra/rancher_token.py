"""What the Rancher server runs once: it makes an API token, and hands it over in AWS Secrets Manager.

Not a part of the program: user data carries this file, and the server's own Python runs it, with nothing but
its standard library: Python 3.9 on Amazon Linux 2023. Its settings are `/etc/aerodrome/rancher-token.json`. The token is in no command line,
no log and no user data; systemd runs this again until it has succeeded.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

SETTINGS = os.environ.get("AERODROME_SETTINGS", "/etc/aerodrome/rancher-token.json")
SECONDS = 30
LATER, NEVER = 1, 3
"""Exit codes: systemd tries again after the first, and not after the other."""


class NotYet(Exception):
    """Something is not there yet."""


def run(*command: str) -> str:
    """The output of a command."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotYet(f"{' '.join(command[:4])}: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


def of_rancher(kind: str, name: str, path: str) -> str:
    """A field of an object of Rancher's in the cluster of this server."""
    where = ("-n", "cattle-system", "get", kind, name, "-o", f"jsonpath={{{path}}}")
    found = run("k3s", "kubectl", *where)
    if not found:
        raise NotYet(f"{kind} {name} has no {path} yet")
    return found


def ask(
    base: str,
    hostname: str,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    token: str = "",
) -> dict[str, Any]:
    """An answer of Rancher's. Inside of the server there is no TLS between them, as behind a load balancer."""
    headers = {"Host": hostname, "X-Forwarded-Proto": "https", "Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, content, headers, method=method)
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def make_token(base: str, hostname: str) -> dict[str, str]:
    """Address, token and authority of this Rancher."""
    password = base64.b64decode(
        of_rancher("secret", "bootstrap-secret", ".data.bootstrapPassword")
    ).decode()
    login = {
        "type": "localProvider",
        "username": "admin",
        "password": password,
        "responseType": "json",
    }
    session = ask(base, hostname, "POST", "/v1-public/login", login)["token"]
    url = f"https://{hostname}"
    # Without it no cluster can be registered: agents are told this address.
    server_url = ask(base, hostname, "GET", "/v3/settings/server-url", token=session)
    if not server_url.get("value"):
        ask(
            base,
            hostname,
            "PUT",
            "/v3/settings/server-url",
            {"name": "server-url", "value": url},
            session,
        )
    wanted = {"type": "token", "description": "aerodrome: registers the cluster", "ttl": 0}
    token = ask(base, hostname, "POST", "/v3/tokens", wanted, session)["token"]
    authority = ask(base, hostname, "GET", "/v3/settings/cacerts", token=token).get("value") or ""
    return {"url": url, "token": token, "authority": authority}


def hand_over(settings: dict[str, Any], content: dict[str, str]) -> None:
    """Writes the secret. Its value is in a file that only root reads, not on the command line."""
    aws = ("aws", "--region", settings["region"], "secretsmanager")
    with tempfile.NamedTemporaryFile("w", dir=settings["folder"], suffix=".json") as file:
        json.dump(content, file)
        file.flush()
        value = ("--secret-string", f"file://{file.name}")
        try:
            run(*aws, "put-secret-value", "--secret-id", settings["secret"], *value)
        except NotYet as error:
            if "ResourceNotFoundException" not in str(error):
                raise
            tags = json.dumps(
                [{"Key": key, "Value": text} for key, text in settings["tags"].items()]
            )
            run(*aws, "create-secret", "--name", settings["secret"], "--tags", tags, *value)


def main() -> int:
    """The exit code. What is printed is in the journal of the service."""
    settings = json.loads(Path(SETTINGS).read_text(encoding="utf-8"))
    folder = Path(settings["folder"])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    done = folder / "rancher-token-handed-over"
    if done.exists():
        return 0
    try:
        base = "http://" + of_rancher("service", "rancher", ".spec.clusterIP")
        hand_over(settings, make_token(base, settings["hostname"]))
    except urllib.error.HTTPError as error:
        if error.code == 401:
            return tell("Rancher's first password was changed: make a token by hand", NEVER)
        return tell(f"Rancher answers {error.code} to {error.url}", LATER)
    except (NotYet, OSError, ValueError, KeyError) as error:
        return tell(f"not yet: {error}", LATER)
    done.touch()
    return tell("the token is handed over", 0)


def tell(text: str, code: int) -> int:
    """Its exit code, with the reason in the journal."""
    sys.stderr.write(text + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
