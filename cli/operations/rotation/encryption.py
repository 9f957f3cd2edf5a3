"""Which rows of an environment's database a Fernet key reads: asked of a Job in the cluster, which has the database.

A key that is not the deployed one reaches the Job through a Secret of its own, which goes with it.
"""

import base64
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from cli.base.errors import KitError, UserError
from cli.base.settings import qualified
from cli.base.values import reveal
from cli.cloud.kubernetes import Kubernetes, Object
from cli.operations import declared, jobs, migration_job
from cli.operations.live import Live
from infra.contract.secret_contents import FERNET_ENTRY, SECRET_NAMES

KEY: Final = qualified("fernetKey")

SECONDS: Final = 900.0
"""Ten thousand rows take a second."""

_JOB = "airflow-fernet-rows"
_SCRIPT = "fernet_rows"
_OTHER = "OTHER_FERNET_KEY"
_MARK = "fernet: "
_CALLED: Final[Mapping[str, str]] = {"connection_test_request": "tests of connections"}

Counts = dict[str, dict[str, Any]]
"""By table: how many rows are `encrypted`, in `clear`, read by the deployed key (`own`), by the other, `lost` with it."""


def keys(text: str) -> list[str]:
    """Those of Airflow's setting, the newest first."""
    return [key.strip() for key in text.split(",") if key.strip()]


def deployed_key(kubernetes: Kubernetes) -> str:
    """What Airflow's pods read, or will read at their next start; empty if nothing is deployed."""
    secret = kubernetes.find("secret", SECRET_NAMES["fernet"]) or {}
    return base64.b64decode((secret.get("data") or {}).get(FERNET_ENTRY, "")).decode()


def count(live: Live, other: str = "") -> Counts:
    """The rows that are encrypted, by who reads them."""
    kubernetes, variables = live.kubernetes, []
    secret: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _JOB, "namespace": kubernetes.namespace},
        "stringData": {_OTHER: other},
    }
    if other:
        reference = {"name": _JOB, "key": _OTHER}
        variables = [{"name": _OTHER, "valueFrom": {"secretKeyRef": reference}}]
        kubernetes.apply(secret, jobs.MANAGER)
    try:
        return _run(live, variables)
    finally:
        # Also what a run that was killed has left.
        kubernetes.delete(secret)


def encrypt(live: Live) -> dict[str, Any]:
    """Brings all rows under the newest of the deployed keys: rows by table, `encrypted` or encrypted `anew`."""
    return _run(live, [{"name": "FERNET_TASK", "value": "encrypt"}])


def _run(live: Live, variables: list[Object]) -> dict[str, Any]:
    job = migration_job.need(live, "The pod that reads encrypted rows")
    spec = migration_job.spec(job, _SCRIPT, "fernet", variables)
    return jobs.answer(jobs.run(live.kubernetes, _JOB, spec, SECONDS))


def check_key(live: Live) -> None:
    """UserError if the configured key would leave rows unreadable that the deployed one reads.

    Nothing is asked of the database where the deployed keys are among the configured ones.
    """
    try:
        deployed = deployed_key(live.kubernetes)
    except KitError:
        # Where the cluster is gone, there is nothing to lose; the migration Job looks for itself, too.
        return
    configured = str(reveal(live.backend.config().get(KEY, "")))
    if not deployed or not configured or set(keys(deployed)) <= set(keys(configured)):
        return
    lost = {table: one for table, one in _counted(live, configured).items() if one["lost"]}
    if not lost:
        return
    told = [f"{one['lost']} of {one['encrypted']} {called(table)}" for table, one in lost.items()]
    raise UserError(
        f'This Fernet key cannot read the database of "{live.environment.name}"',
        f"fernetKey was changed, and this key cannot read {', '.join(told)}. Nothing was changed.\n"
        "Set the key of before again (./aerodrome config set fernetKey); a rotation then makes a new one:",
        f"./aerodrome secrets rotate fernet{live.session.same}",
    )


def _counted(live: Live, other: str) -> Counts:
    try:
        return count(live, other)
    except KitError as error:
        raise KitError(
            "Whether the new Fernet key reads the database could not be found out",
            f"{error.summary}: {error.detail}\nNothing was changed. Set the key of before again, and deploy that first.",
            f"./aerodrome config set fernetKey{live.session.same}",
        ) from error


def called(table: str) -> str:
    """The rows of a table, for people."""
    return _CALLED.get(table, f"{table}s")


def encrypted_since(live: Live, before: str) -> dict[str, int]:
    """Rows in clear text that a migration Job newer than `before` has encrypted, by table; reported."""
    if declared.last_sync(live) == before:
        return {}
    found: dict[str, int] = {}
    with suppress(KitError):
        found = migration_job.told(live.kubernetes, _MARK).get("encrypted", {})
    if found:
        text = ", ".join(f"{number} {called(table)}" for table, number in found.items())
        live.session.console.report(
            f"was in clear text in the database, and is encrypted now: {text}"
        )
    return found
