"""Backups of an environment's database: made on request, listed, restored into this or another environment.

What they consist of is `images/airflow/scripts/database_copy.py`'s to know; a nightly one is made by the
chart's CronJob, of which `make` starts one more run.
"""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cli.base.errors import KitError, UserError
from cli.base.settings import qualified
from cli.base.values import need, reveal
from cli.cloud.kubernetes import Kubernetes, Object
from cli.operations import jobs, migration_job
from cli.operations.live import COMPONENT_LABEL, DATABASE, Live
from cli.operations.teardown.waiting import until_none
from cli.stack import rotation
from infra.contract.outputs import Outputs

LATEST = "latest"
SUFFIX = ".tar.gz"
URL_SECONDS = 3600
"""How long the address works from which the restoring pod fetches a backup."""

BACKUP_SECONDS = 21_600.0
RESTORE_SECONDS = 3600.0
STOP_SECONDS = 180.0
START_SECONDS = 600.0

_CRON_JOB = "airflow-backup"
_RESTORE = "airflow-restore"
_REPLICAS = "aerodrome/replicas"
"""What a scaled-down workload had: an interrupted restore finds it again."""

Report = Callable[[str], None]


@dataclass(frozen=True)
class BackupObject:
    """One backup in the bucket."""

    uri: str
    bucket: str
    key: str
    bytes: int
    made: datetime

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2].removesuffix(SUFFIX)

    def data(self) -> dict[str, Any]:
        return {"name": self.name, "uri": self.uri, "bytes": self.bytes, "made": self.made}


def existing(found: Live) -> list[BackupObject]:
    """The environment's backups, the newest first."""
    bucket, prefix = need(found.outputs, Outputs.log_bucket), _prefix(found)
    pages = (
        found.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=bucket, Prefix=f"{prefix}/")
    )
    backups = [
        BackupObject(
            f"s3://{bucket}/{item['Key']}",
            bucket,
            str(item["Key"]),
            int(item["Size"]),
            item["LastModified"],
        )
        for page in pages
        for item in page.get("Contents", [])
        if str(item["Key"]).endswith(SUFFIX)
    ]
    return sorted(backups, key=lambda backup: backup.key, reverse=True)


def make(found: Live) -> dict[str, Any]:
    """A backup of this moment: `uri`, `rows` and rows by table."""
    _prefix(found)
    cron_job = found.kubernetes.find("cronjob", _CRON_JOB)
    if cron_job is None:
        raise KitError(
            f'The CronJob "{_CRON_JOB}" of "{found.environment.name}" is missing',
            "Either it was deleted, or the environment was deployed before there were backups.",
            f"./aerodrome up{found.session.same}",
        )
    spec = {**cron_job["spec"]["jobTemplate"]["spec"]}
    lines = jobs.run(found.kubernetes, f"{_CRON_JOB}-now", spec, BACKUP_SECONDS)
    return jobs.answer(lines)


def choose(found: Live, which: str) -> BackupObject:
    """`latest`, a backup's name, or the URI of an object in S3. UserError if there is none."""
    if which.startswith("s3://"):
        return _at(found, which)
    backups = existing(found)
    for backup in backups:
        if which in (LATEST, backup.name):
            return backup
    known = ", ".join(backup.name for backup in backups[:5]) or "none"
    raise UserError(
        f'Environment "{found.environment.name}" has no backup "{which}"',
        f"The newest: {known}.",
        f"./aerodrome backup --list --env {found.environment.name}",
    )


def about(source: Live, backup: BackupObject) -> dict[str, Any]:
    """What a backup says of itself, at its beginning. UserError if it is none."""
    import tarfile

    body = source.client("s3").get_object(Bucket=backup.bucket, Key=backup.key)["Body"]
    try:
        with tarfile.open(fileobj=io.BufferedReader(body), mode="r|gz") as archive:
            member = archive.next()
            file = archive.extractfile(member) if member else None
            manifest: dict[str, Any] = json.loads(file.read()) if file else {}
    except (tarfile.TarError, EOFError, OSError, ValueError):
        manifest = {}
    if "revisions" not in manifest:
        raise UserError(f"{backup.uri} is no backup of Airflow's database", "", "")
    return manifest


def restore(
    found: Live, source: Live, backup: BackupObject, report: Report, *, migrate: bool = True
) -> dict[str, Any]:
    """Replaces the database's content with the backup's. What was restored, as the Job reports it.

    Airflow's pods are away meanwhile; the pods of running tasks are deleted, because the restored database
    does not know them. Without `migrate` the schema is the backup's afterwards: pods of another Airflow wait.
    """
    kubernetes = found.kubernetes
    migration = migration_job.need(found, "The pod that restores")
    variables: list[Object] = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": _RESTORE, "key": name}}}
        for name in ("BACKUP_URL", "FORMER_FERNET_KEY")
    ]
    if not migrate:
        variables.append({"name": "RESTORE_MIGRATE", "value": "false"})
    spec = migration_job.spec(migration, "restore_database", "restore", variables)
    url = source.client("s3").generate_presigned_url(
        "get_object", Params={"Bucket": backup.bucket, "Key": backup.key}, ExpiresIn=URL_SECONDS
    )
    former = ",".join(
        [
            str(reveal(need(source.backend.config(), qualified("fernetKey")))),
            *rotation.retired(source.backend),
        ]
    )
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _RESTORE, "namespace": kubernetes.namespace},
        "stringData": {"BACKUP_URL": url, "FORMER_FERNET_KEY": former},
    }
    kubernetes.apply(secret, jobs.MANAGER)
    try:
        with _stopped(kubernetes, report, wait=migrate):
            report(f"restoring {backup.uri}")
            lines = jobs.run(kubernetes, _RESTORE, spec, RESTORE_SECONDS)
    finally:
        kubernetes.delete(secret)
    return jobs.answer(lines)


def _prefix(found: Live) -> str:
    prefix = found.outputs.backup_prefix
    if prefix:
        return prefix.rstrip("/")
    name = found.environment.name
    if base := found.outputs.base:
        raise UserError(
            f'Environment "{name}" has no backups',
            "A branch's environment makes none; its base does.",
            f"./aerodrome backup --env {base}",
        )
    raise UserError(
        f'Environment "{name}" makes no backups',
        "Its setting backupDays is 0, or it was deployed before there were backups.",
        f"./aerodrome config set backupDays 14 --env {name} && ./aerodrome up --env {name}",
    )


def _at(found: Live, uri: str) -> BackupObject:
    from botocore.exceptions import ClientError

    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        head = found.client("s3").head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        raise UserError(f"{uri} cannot be read", str(error), "./aerodrome backup --list") from error
    return BackupObject(uri, bucket, key, int(head["ContentLength"]), head["LastModified"])


@contextmanager
def _stopped(kubernetes: Kubernetes, report: Report, *, wait: bool = True) -> Iterator[None]:
    """Airflow's pods are away while the block lasts, and back at its end, which `wait` waits for."""
    workloads = [
        item
        for item in kubernetes.objects(
            "deployments,statefulsets", selector="app.kubernetes.io/name=airflow"
        )
        if item["metadata"]["labels"].get(COMPONENT_LABEL) != DATABASE
    ]
    replicas = [(item, _wanted(item)) for item in workloads]
    report("stopping Airflow")
    for item, number in replicas:
        kubernetes.patch(
            item,
            {"metadata": {"annotations": {_REPLICAS: str(number)}}, "spec": {"replicas": 0}},
        )
    try:
        _wait_until_gone(kubernetes, [item["metadata"]["labels"] for item in workloads])
        yield
    finally:
        report("starting Airflow")
        for item, number in replicas:
            kubernetes.patch(
                item,
                {"metadata": {"annotations": {_REPLICAS: None}}, "spec": {"replicas": number}},
            )
    if wait:
        _wait_until_ready(kubernetes, replicas)


def _wanted(item: Object) -> int:
    kept = (item["metadata"].get("annotations") or {}).get(_REPLICAS)
    return int(kept if kept is not None else item["spec"].get("replicas", 1))


def _wait_until_gone(kubernetes: Kubernetes, labels: list[dict[str, str]]) -> None:
    components = {one[COMPONENT_LABEL] for one in labels} | {"worker"}
    selector = f"{COMPONENT_LABEL} in ({','.join(sorted(components))})"
    for pod in kubernetes.objects("pods", selector=f"{COMPONENT_LABEL}=worker"):
        kubernetes.delete(pod)

    def look() -> list[str]:
        return [
            str(pod["metadata"]["name"]) for pod in kubernetes.objects("pods", selector=selector)
        ]

    if left := until_none(look, STOP_SECONDS, jobs.PAUSE, lambda _: None):
        raise KitError(f"Airflow's pods do not end: {', '.join(left)}", "Nothing was restored.")


def _wait_until_ready(kubernetes: Kubernetes, replicas: list[tuple[Object, int]]) -> None:
    def look() -> list[str]:
        return [
            str(item["metadata"]["name"])
            for item, number in replicas
            if _ready(kubernetes.find_same(item)) < number
        ]

    if left := until_none(look, START_SECONDS, jobs.PAUSE, lambda _: None):
        raise KitError(
            f"The database is restored, but {', '.join(left)} does not get ready",
            "",
            "./aerodrome status",
        )


def _ready(item: Object | None) -> int:
    return int(((item or {}).get("status") or {}).get("readyReplicas") or 0)
