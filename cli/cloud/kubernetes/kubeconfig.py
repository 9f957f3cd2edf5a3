"""A kubeconfig's current context: the cluster and its user, and the user's login.

The package's own loader is not used: it writes keys into files that outlive a killed process, and
goes on without a login when the login's program fails.
"""

import base64
import json
import os
import shlex
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cli.base.errors import UserError

Part = Mapping[str, Any]

LOGIN_SECONDS = 60.0
EARLY = timedelta(seconds=60)
"""A token is renewed so long before it expires: it must live until its request is answered."""

FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
"""What a kubeconfig names as a file, or holds itself as `...-data`."""


def current(kubeconfig: Path | str) -> tuple[Part, Part]:
    """Cluster and user of a kubeconfig, a file or the text of one, with what their files hold.

    UserError if it is broken.
    """
    try:
        return _current(kubeconfig)
    except OSError as error:
        raise _broken(kubeconfig, str(error)) from error
    except KeyError as error:
        raise _broken(kubeconfig, f"it has no {error.args[0]}") from error
    except (ValueError, TypeError, AttributeError) as error:
        # Not what it holds: that may be a key.
        raise _broken(kubeconfig, "it is not in a kubeconfig's form") from error


def _broken(kubeconfig: Path | str, why: str) -> UserError:
    summary = "The kubeconfig cannot be used"
    if isinstance(kubeconfig, Path):
        command = f"kubectl config view --kubeconfig={shlex.quote(str(kubeconfig))}"
        return UserError(summary, f"{kubeconfig}: {why}", command)
    return UserError(
        summary, f"The stack's output `kubeconfig`: {why}", "pulumi stack output kubeconfig"
    )


def _current(kubeconfig: Path | str) -> tuple[Part, Part]:
    import yaml

    folder = kubeconfig.parent if isinstance(kubeconfig, Path) else Path()
    text = kubeconfig.read_text() if isinstance(kubeconfig, Path) else kubeconfig
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError("no YAML") from error
    context = _named(content, "context", content["current-context"], folder)
    cluster = _named(content, "cluster", context["cluster"], folder)
    if not cluster.get("server"):
        raise KeyError("server")
    return cluster, _named(content, "user", context["user"], folder)


def _named(content: Part, kind: str, name: str, folder: Path) -> Part:
    part = next((each[kind] or {} for each in content[f"{kind}s"] if each["name"] == name), None)
    if part is None:
        raise KeyError(f"{kind} {name}")
    files = {key: (folder / part[key]).read_bytes() for key in FILES if part.get(key)}
    held = {key: part[f"{key}-data"] for key in FILES if part.get(f"{key}-data")}
    return {
        **part,
        **files,
        **{key: base64.b64decode(data, validate=True) for key, data in held.items()},
    }


class Login:
    """A bearer token: a fixed one, or that of a program such as `aws eks get-token`."""

    def __init__(self, user: Part) -> None:
        self._fixed: str = user.get("token") or user.get("tokenFile", b"").decode().strip()
        self._program: Part = user.get("exec") or {}
        self._token = ""
        self._expires: datetime | None = None

    def token(self) -> str:
        """Empty if the login is a certificate. UserError if the program gives none."""
        if not self._program:
            return self._fixed
        if not self._token or (self._expires and datetime.now(UTC) + EARLY > self._expires):
            self._ask()
        return self._token

    def forget(self) -> bool:
        """Forgets a token that is not accepted. Whether there can be another."""
        self._token = ""
        return bool(self._program)

    @property
    def whoami(self) -> str:
        """The command that shows whom the cloud takes the user for."""
        aws = Path(self._program.get("command", "")).name == "aws"
        return "aws sts get-caller-identity" if aws else ""

    def _ask(self) -> None:
        program = self._program
        version = program.get("apiVersion")
        info = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
        variables = {each["name"]: each["value"] for each in program.get("env") or ()}
        try:
            done = subprocess.run(
                [program["command"], *(program.get("args") or ())],
                env={**os.environ, "KUBERNETES_EXEC_INFO": json.dumps(info), **variables},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=LOGIN_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise self._failed(str(error)) from error
        if done.returncode:
            raise self._failed(done.stderr.strip() or f"exit code {done.returncode}")
        try:
            status = json.loads(done.stdout)["status"]
            self._token = str(status["token"])
            expires = status.get("expirationTimestamp")
            self._expires = datetime.fromisoformat(expires) if expires else None
        except (ValueError, KeyError, TypeError) as error:
            # Not what it printed: that may hold a token.
            raise self._failed("it prints no token") from error

    def _failed(self, why: str) -> UserError:
        line = shlex.join([self._program["command"], *(self._program.get("args") or ())])
        return UserError("There is no login to the cluster", f"`{line}`: {why}", self.whoami)
