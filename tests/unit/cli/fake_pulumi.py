"""A `pulumi` that keeps its stacks in a file: what the Automation API asks of the real one.

Recorded of Pulumi 3.260. Its folder is that of the program; secrets are only hidden, not encrypted.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

HOME = Path(__file__).parent


class Cli:
    """One call."""

    def __init__(self, arguments: list[str]) -> None:
        with (HOME / "calls").open("a") as calls:
            calls.write(" ".join(arguments) + "\n")
        words = [word for word in arguments if word != "--non-interactive"]
        self.stack = words[words.index("--stack") + 1] if "--stack" in words else ""
        self.words = words
        self.state: dict[str, Any] = json.loads((HOME / "state.json").read_text())

    @property
    def file(self) -> Path:
        return Path(f"Pulumi.{self.stack}.yaml")

    def run(self) -> str:
        match self.words[:2]:
            case ["version", *_]:
                return "v3.260.0"
            case ["stack", "select"] if self.stack not in self.state["stacks"]:
                sys.exit(f"error: no stack named '{self.stack}' found")
            case ["stack", ("init" | "rm") as verb]:
                self.make(self.words[2], self.words[4]) if verb == "init" else self.unmake()
            case ["stack", "ls"]:
                return json.dumps([{"name": n, "current": False} for n in self.state["stacks"]])
            case ["stack", "history"]:
                return json.dumps(self.state["stacks"][self.stack].get("history", []))
            case ["stack", "output"]:
                return json.dumps(self.outputs("--show-secrets" in self.words))
            case ["stack", "export"]:
                return json.dumps({"version": 3, "deployment": self.deployment()})
            case ["config", "set"]:
                self.set(self.words[-1], sys.stdin.read(), "--secret" in self.words)
            case ["config", "rm"]:
                self.write({k: v for k, v in self.config().items() if k != self.words[2]})
            case ["config", "refresh"]:
                self.write(self.state["stacks"][self.stack]["deployed"])
            case ["config", *_]:
                return json.dumps(
                    {
                        key: {
                            "value": value["secure"] if isinstance(value, dict) else str(value),
                            "secret": isinstance(value, dict),
                        }
                        for key, value in self.config().items()
                    }
                )
            case [("up" | "destroy" | "cancel") as verb, *_]:
                self.move(verb)
                return f"{verb} is done"
        return ""

    def make(self, stack: str, provider: str) -> None:
        self.state["stacks"][stack] = {"provider": provider}
        self.stack = stack
        self.file.write_text(f"secretsprovider: {provider}\n")

    def unmake(self) -> None:
        self.stack = self.words[-1]
        if "deployed" in self.state["stacks"][self.stack]:
            sys.exit(f"error: '{self.stack}' still has resources; removal rejected.")
        del self.state["stacks"][self.stack]
        if "--preserve-config" not in self.words:
            self.file.unlink(missing_ok=True)

    def config(self) -> dict[str, Any]:
        if not self.file.exists():
            return {}
        return (yaml.safe_load(self.file.read_text()) or {}).get("config") or {}

    def write(self, config: dict[str, Any]) -> None:
        self.file.write_text(yaml.safe_dump({"config": config}))

    def set(self, key: str, value: str, secret: bool) -> None:
        self.write(self.config() | {key: {"secure": value} if secret else value})

    def outputs(self, shown: bool) -> dict[str, Any]:
        if "deployed" not in self.state["stacks"][self.stack]:
            return {}
        return {"rung": "dedicated", "kubeconfig": "clear" if shown else "[secret]"}

    def deployment(self) -> dict[str, Any]:
        if "deployed" not in self.state["stacks"][self.stack]:
            return {}
        urn = f"urn:pulumi:{self.stack}::aerodrome::aws:s3/bucket:Bucket::logs"
        stack = {"type": "pulumi:pulumi:Stack", "urn": "urn:x::x", "custom": False}
        bucket = {"type": "aws:s3/bucket:Bucket", "urn": urn, "id": "logs-1", "custom": True}
        return {"resources": [stack, bucket | {"created": "2027-01-01T00:00:00Z"}]}

    def move(self, verb: str) -> None:
        lock = self.state.pop("lock", "")
        if verb == "cancel":
            return
        if lock:
            sys.exit(
                "error: the stack is currently locked by 1 lock(s). Either wait for the other "
                "process(es) to end or delete the lock file with `pulumi cancel`."
                f"\n  s3://state/.pulumi/locks/dev/1.json: created by {lock} at 2027-01-01T00:00:00Z"
            )
        stack = self.state["stacks"][self.stack]
        if self.state.get("broken"):
            sys.exit("error: AccessDenied")
        if verb == "up":
            stack["deployed"] = self.config()
        else:
            del stack["deployed"]
        kind = {"up": "create", "destroy": "delete"}[verb]
        done = {
            "kind": "update",
            "startTime": "2027-01-01T00:00:00.000Z",
            "endTime": "2027-01-01T00:00:01.000Z",
            "message": "",
            "environment": {},
            "config": {},
            "result": "succeeded",
            "version": 1,
            "resourceChanges": {kind: 2},
        }
        stack["history"] = [done]


if __name__ == "__main__":
    cli = Cli(sys.argv[1:])
    sys.stdout.write(cli.run())
    (HOME / "state.json").write_text(json.dumps(cli.state))
