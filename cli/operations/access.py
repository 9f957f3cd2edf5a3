"""Airflow's roles and users, as `access.yaml` declares them: checked here, compared and brought about in the cluster.

The program checks the file (`infra/user_access.py`, run as a process: the command line does not load the program). A
Job after the migration Job's pattern works on Airflow's database (`images/airflow/scripts/sync_access.py`). The
migration Job does so whenever the file changes; when nothing has changed, `up` runs the script once more.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.paths import ROOT
from cli.base.settings import qualified
from cli.base.values import need
from cli.cloud.kubernetes import Object
from cli.operations import declared, jobs, migration_job
from cli.operations.live import Live
from cli.session import Session
from cli.stack.backends import Backend
from infra.contract.image_builds import AIRFLOW, owners_argument
from infra.contract.settings import SETTINGS
from infra.contract.user_access import FILE, password_key

SECONDS: Final = 300.0

PASSWORD_BYTES: Final = 18

_CHECK: Final = "infra.user_access"
_FILE_KEY: Final = qualified("accessFile")
_ADMIN_KEY: Final = qualified("adminUser")
_JOB: Final = "airflow-access-now"
_SCRIPT: Final = "sync_access"
_CONFIG_MAP: Final = "airflow-declared"
_ENTRY: Final = "access.json"
_MARK: Final = "access: "
"""Of the line of the migration Job's log that holds its report."""

SAID: Final[Mapping[str, str]] = {
    "created": "made",
    "changed": "changed as declared",
    "taken_over": "was there, and is as declared now",
    "drift": "had been changed by hand, and is as declared again",
    "removed": "not declared any more: a role is deleted, a user deactivated",
    "undeclared": "made by hand and not declared; left as it is",
}

WOULD: Final[Mapping[str, str]] = {
    "created": "would be made",
    "changed": "would change",
    "taken_over": "is there by hand, and would be the kit's",
    "drift": "was changed by hand, and would be put right",
    "removed": "is not declared: a role would be deleted, a user deactivated",
    "undeclared": "was made by hand; would be left as it is",
}

Deeds = dict[str, list[str]]
"""What was done to which roles and users, by kind of deed."""


@dataclass(frozen=True)
class Access:
    """What the file declares, resolved: each role with all of its permissions."""

    file: str
    content: Mapping[str, Any]
    rancher: Mapping[str, str] = field(default_factory=dict)
    """Roles in Rancher, by principal: no part of what Airflow is told."""

    @property
    def users(self) -> list[str]:
        return list(self.content["users"])

    @property
    def roles(self) -> list[str]:
        return list(self.content["roles"])

    @property
    def groups(self) -> list[str]:
        """Of an OpenID provider."""
        return list(self.content["groups"])


def read(backend: Backend) -> Access | None:
    """The environment's file; None if it has none. UserError with everything that is wrong in it."""
    return _read(backend.plain())


def _read(plain: Mapping[str, str]) -> Access | None:
    name = plain.get(_FILE_KEY, "")
    if not name and not os.path.lexists(ROOT / FILE):
        return None
    administrator = plain.get(_ADMIN_KEY, SETTINGS["adminUser"].default)
    command = [sys.executable, "-m", _CHECK, f"--file={name}", f"--administrator={administrator}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise KitError(f"{name or FILE} could not be checked", done.stderr.strip()[-2000:])
    found = json.loads(done.stdout)
    if found["problems"]:
        raise UserError(
            f"{name or FILE} is not valid, and nothing was applied",
            "\n".join(found["problems"]),
            "./aerodrome access check",
        )
    return Access(name or FILE, found["declared"], found["rancher"])


def require(backend: Backend) -> Access:
    """The environment's file. UserError also if there is none."""
    if access := read(backend):
        return access
    raise UserError(
        f"There is no {FILE}",
        "Without it people keep roles and users in Airflow's UI. docs/access.md shows one.",
    )


def owners(session: Session, environment: Environment) -> str:
    """Who may own which DAG, as the image's policy reads it; empty if the file says nothing of it.

    Where the environment's configuration cannot be read, such as without Pulumi, the file is the usual one.
    """
    try:
        plain = session.backend(environment).plain()
    except UserError:
        plain = {}
    access = _read(plain)
    return owners_argument(access.content["owners"], AIRFLOW) if access else ""


def make_passwords(backend: Backend) -> list[str]:
    """Makes up the first password of each declared user that has none; the users that got one."""
    access = read(backend)
    have = backend.configured()
    lacking = [name for name in access.users if password_key(name) not in have] if access else []
    for name in lacking:
        backend.set_config(password_key(name), secrets.token_urlsafe(PASSWORD_BYTES), secret=True)
    return lacking


def keep(live: Live, before: str) -> Deeds:
    """Brings Airflow to what is deployed, unless a migration Job has done it since `before`. What was done."""
    found: Deeds = {}
    if declared.last_sync(live) != before:
        found = migration_job.told(live.kubernetes, _MARK)
    elif _deployed(live):
        job = migration_job.need(live, "The pod that looks after roles and users")
        found = jobs.answer(
            jobs.run(live.kubernetes, _JOB, migration_job.spec(job, _SCRIPT, "access"), SECONDS)
        )
    for deed, names in found.items():
        for name in names:
            live.session.console.report(f"{name}: {SAID.get(deed, deed)}")
    return {deed: names for deed, names in found.items() if names}


def _deployed(live: Live) -> bool:
    found = live.kubernetes.find("configmap", _CONFIG_MAP) or {}
    return _ENTRY in (found.get("data") or {})


def compare(live: Live, access: Access) -> Deeds:
    """What `apply` would do; nothing is changed."""
    return _run(live, {"ACCESS_DECLARED": json.dumps(access.content), "ACCESS_DRY_RUN": "true"})


def apply(live: Live, access: Access) -> Deeds:
    """Brings Airflow to what the file says, without a deployment. What was done."""
    make_passwords(live.backend)
    config = live.backend.config()
    passwords = {name: need(config, password_key(name)) for name in access.users}
    given = {
        "ACCESS_DECLARED": json.dumps(access.content),
        "ACCESS_PASSWORDS": json.dumps(passwords),
    }
    return _run(live, given)


def _run(live: Live, given: Mapping[str, str]) -> Deeds:
    """One Job, which is given this through a Secret of its own that goes with it."""
    kubernetes = live.kubernetes
    job = migration_job.need(live, "The pod that looks after roles and users")
    secret: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _JOB, "namespace": kubernetes.namespace},
        "stringData": dict(given),
    }
    variables = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": _JOB, "key": name}}} for name in given
    ]
    kubernetes.apply(secret, jobs.MANAGER)
    try:
        spec = migration_job.spec(job, _SCRIPT, "access", variables)
        return jobs.answer(jobs.run(kubernetes, _JOB, spec, SECONDS))
    finally:
        # Also what a run that was killed has left.
        kubernetes.delete(secret)
