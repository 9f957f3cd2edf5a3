"""A stand-in for the Pulumi CLI: the commands that bootstrap calls, with stacks in the bucket as Pulumi
keeps them. It encrypts nothing; a secret's value is never written down.

`FAKE_PULUMI_LOG` names a file for the arguments of each call; `FAKE_PULUMI_DIE` has the arguments of the
call during which the caller is killed, after the work was done, as they are in that file.

It runs many times in each test, so it imports nothing that is not Python's own (`python -I -S`).
"""

import json
import os
import signal
import sys
import time
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PROJECT = "aerodrome"


def option(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1] if name in arguments else ""


class Bucket:
    """Objects of a bucket, with signed requests of its own: boto3 takes 0.8 s to get ready."""

    def __init__(self, name: str, region: str) -> None:
        # Imported late: most commands only look into the configuration file.
        from http.client import HTTPConnection

        self.name = name
        self.region = region
        self.host = urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc
        self.connection = HTTPConnection(self.host)

    def request(self, method: str, key: str, body: bytes = b"") -> bytes | None:
        """The answer's content; None if there is no such object."""
        path = f"/{self.name}/{key}"
        self.connection.request(method, path, body, self.signed(method, path, body))
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status == 404:
            return None
        if answer.status >= 300:
            sys.exit(f"error: {method} {path}: {answer.status} {content.decode()}")
        return content

    def signed(self, method: str, path: str, body: bytes) -> dict[str, str]:
        """Headers with a signature (AWS' version 4) of a request without a query."""
        import hmac
        from hashlib import sha256

        def mac(key: bytes, text: str) -> bytes:
            return hmac.digest(key, text.encode(), "sha256")

        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        content = sha256(body).hexdigest()
        headers = {"host": self.host, "x-amz-content-sha256": content, "x-amz-date": now}
        names = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        canonical = f"{method}\n{path}\n\n{lines}\n{names}\n{content}"
        scope = (now[:8], self.region, "s3", "aws4_request")
        text = "\n".join(
            ("AWS4-HMAC-SHA256", now, "/".join(scope), sha256(canonical.encode()).hexdigest())
        )
        key = f"AWS4{os.environ['AWS_SECRET_ACCESS_KEY']}".encode()
        for part in scope:
            key = mac(key, part)
        credential = f"{os.environ['AWS_ACCESS_KEY_ID']}/{'/'.join(scope)}"
        return headers | {
            "authorization": f"AWS4-HMAC-SHA256 Credential={credential}, "
            f"SignedHeaders={names}, Signature={mac(key, text).hex()}"
        }


class Stack:
    """One stack: a file in the bucket, and its configuration in the current folder."""

    def __init__(self, name: str) -> None:
        self.key = f".pulumi/stacks/{PROJECT}/{name}.json"
        self.file = Path(f"Pulumi.{name}.yaml")
        self.name = name

    @cached_property
    def bucket(self) -> Bucket:
        url = urlsplit(os.environ["PULUMI_BACKEND_URL"])
        return Bucket(url.netloc, url.query.partition("region=")[2])

    def state(self) -> Any:
        content = self.bucket.request("GET", self.key)
        if content is None:
            sys.exit(f"error: no stack named '{self.name}' found")
        return json.loads(content)

    def init(self, provider: str) -> None:
        latest = {"secrets_providers": {"type": "cloud", "state": {"url": provider}}}
        state = {"version": 3, "checkpoint": {"stack": self.name, "latest": latest}}
        self.bucket.request("PUT", self.key, json.dumps(state).encode())
        self.write({"secretsprovider": provider, "encryptedkey": "AAAA"})

    def remove(self) -> None:
        if self.state()["checkpoint"]["latest"].get("resources"):
            sys.exit("error: stack still has resources")
        self.bucket.request("DELETE", self.key)

    def read(self) -> dict[str, Any]:
        """The configuration file. It is written so that it is YAML, and can be read without."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        parts = (line.partition(": ") for line in lines)
        return {key: json.loads(value) for key, _, value in parts}

    def write(self, document: dict[str, Any]) -> None:
        lines = (f"{key}: {json.dumps(value)}\n" for key, value in document.items())
        self.file.write_text("".join(lines))

    def set(self, key: str, value: str, *, secret: bool) -> None:
        document = self.read()
        kept: Any = {"secure": f"v1:{len(value)}"} if secret else value
        document.setdefault("config", {})[key] = kept
        self.write(document)

    def config(self) -> dict[str, Any]:
        return {
            key: {
                "value": "?" if isinstance(value, dict) else value,
                "secret": isinstance(value, dict),
            }
            for key, value in self.read().get("config", {}).items()
        }


def run(arguments: list[str]) -> str:
    match arguments:
        case ["version"]:
            return "v3.260.0"
        case ["login", _, *_]:
            return ""
    stack = Stack(option(arguments, "--stack") or arguments[-1])
    match arguments:
        case ["stack", "init", *_]:
            stack.init(option(arguments, "--secrets-provider"))
        case ["stack", "rm", *_]:
            stack.remove()
        case ["stack", "select", *_] | ["stack", "export", *_]:
            state = stack.state()["checkpoint"]["latest"]
            return json.dumps({"version": 3, "deployment": state})
        case ["config", "refresh", *_]:
            stack.write(stack.state()["checkpoint"]["latest"]["fake_config"])
        case ["config", "set-all", *pairs]:
            for pair in pairs:
                if pair.startswith("--plaintext="):
                    key, _, value = pair.removeprefix("--plaintext=").partition("=")
                    stack.set(key, value, secret=False)
        case ["config", "set", kind, key, *_]:
            stack.set(key, sys.stdin.read(), secret=kind == "--secret")
        case ["config", *_]:
            return json.dumps(stack.config())
        case _:
            sys.exit(f"error: unknown command {arguments}")
    return ""


def main() -> None:
    call = json.dumps(sys.argv[1:])
    with Path(os.environ["FAKE_PULUMI_LOG"]).open("a") as stream:
        stream.write(call + "\n")
    sys.stdout.write(run([each for each in sys.argv[1:] if each != "--non-interactive"]) + "\n")
    if call == os.environ.get("FAKE_PULUMI_DIE"):
        os.kill(os.getppid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
