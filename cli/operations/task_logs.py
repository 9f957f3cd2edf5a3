"""Task logs in S3: where Airflow puts them, found and read without Airflow."""

import time
from dataclasses import dataclass
from typing import Any

from cli.base import log_lines
from cli.base.errors import KitError, UserError
from infra.contract.outputs import Outputs


@dataclass(frozen=True)
class TaskLog:
    """One attempt's log file."""

    uri: str
    task: str
    attempt: int
    key: str


class TaskLogs:
    """The log bucket of one environment. `s3` is a boto3 client."""

    def __init__(self, s3: Any, bucket: str, prefix: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix.strip("/")

    def of_run(self, dag: str, run: str) -> list[TaskLog]:
        """The logs of a run, in the order of their tasks' names."""
        keys = sorted(str(item["Key"]) for item in self._objects(f"dag_id={dag}/run_id={run}/"))
        return [self._named(key) for key in keys if "task_id=" in key]

    def of_task(self, dag: str, run: str, task: str, *, seconds: float = 0.0) -> TaskLog:
        """The last attempt's log, waited for: the worker uploads it when the task is over."""
        give_up = time.monotonic() + seconds
        while True:
            found = [log for log in self.of_run(dag, run) if log.task == task]
            if found:
                return max(found, key=lambda log: log.attempt)
            if time.monotonic() >= give_up:
                break
            time.sleep(0.5)
        raise KitError(
            f'No log of task "{task}" in the bucket',
            f"s3://{self._bucket}/{self._prefix} has none of run {run} of DAG {dag}.\n"
            "A worker uploads the log when its task ends; a pod that was killed never does.",
            "./aerodrome logs scheduler",
        )

    def read(self, log: TaskLog) -> list[str]:
        """Its lines, as text."""
        body = self._s3.get_object(Bucket=self._bucket, Key=log.key)["Body"].read()
        return list(log_lines.readable(str(body, "utf-8", "replace")))

    def last_run(self, dag: str) -> str:
        """The newest run of a DAG that has a log."""
        objects = self._objects(f"dag_id={dag}/")
        if not objects:
            raise UserError(
                f'No log of a DAG "{dag}" in s3://{self._bucket}/{self._prefix}',
                "Either it never ran, or its name is another.",
                "./aerodrome open",
            )
        newest = max(objects, key=lambda item: item["LastModified"])
        return _part(str(newest["Key"]), "run_id")

    def _objects(self, folder: str) -> list[dict[str, Any]]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{self._prefix}/{folder}".lstrip("/")
        )
        return [item for page in pages for item in page.get("Contents", [])]

    def _named(self, key: str) -> TaskLog:
        attempt = _part(key, "attempt").removesuffix(".log")
        return TaskLog(
            uri=f"s3://{self._bucket}/{key}",
            task=_part(key, "task_id"),
            attempt=int(attempt) if attempt.isdigit() else 0,
            key=key,
        )


def _part(key: str, name: str) -> str:
    """Airflow's keys are name=value folders."""
    for folder in key.split("/"):
        if folder.startswith(f"{name}="):
            return folder.removeprefix(f"{name}=")
    return ""


def from_outputs(s3: Any, outputs: Outputs) -> TaskLogs:
    """The logs of the environment with these stack outputs."""
    return TaskLogs(s3, outputs.log_bucket, outputs.log_prefix)
