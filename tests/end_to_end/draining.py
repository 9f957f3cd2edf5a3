"""DAGs whose task is at some stage when an environment goes, and an eye on the log bucket meanwhile."""

import time
from dataclasses import dataclass, field
from typing import Any

from cli.base.airflow import Airflow
from cli.base.log_lines import readable
from tests.repeating import Repeating

RUN = "when-down-begins"
SECONDS = 20
"""For which the task `short` works."""

BEGIN, END = "aerodrome: at work", "aerodrome: worked to the end"

DAGS = f'''"""One task each: it ends soon, or never; it cannot begin; it waits for a trigger."""

import time
from datetime import datetime, timedelta

from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import DAG, task
from kubernetes.client import models as k8s

NOWHERE = k8s.V1Pod(
    spec=k8s.V1PodSpec(
        containers=[k8s.V1Container(name="base")], node_selector={{"aerodrome/no-node": "has-this"}}
    )
)


@task(task_id="only")
def work(seconds: int) -> None:
    print("{BEGIN}", flush=True)
    time.sleep(seconds)
    print("{END}", flush=True)


def on_its_own(name: str) -> DAG:
    return DAG(name, schedule=None, start_date=datetime(2026, 1, 1), catchup=False)


with on_its_own("short"):
    work({SECONDS})

with on_its_own("long"):
    work(3600)

with on_its_own("pending"):
    work.override(executor_config={{"pod_override": NOWHERE}})(1)

with on_its_own("deferred"):
    TimeDeltaSensor(task_id="only", delta=timedelta(days=1), deferrable=True)
'''

STAGES = {"short": "running", "long": "running", "pending": "queued", "deferred": "deferred"}
"""What each DAG's task comes to."""


def start(airflow: Airflow, *names: str, seconds: float = 120) -> None:
    """Starts these DAGs, in order; each when the task of the one before has come to its stage."""
    give_up = time.monotonic() + seconds
    for name in names:
        while not airflow.has_dag(name):
            assert time.monotonic() < give_up, "the DAG is not found"
            time.sleep(0.5)
        airflow.unpause(name)
        airflow.trigger(name, RUN)
        while (stage := _stage(airflow, name)) != STAGES[name]:
            assert time.monotonic() < give_up, f"{name} is {stage}"
            time.sleep(0.3)


def _stage(airflow: Airflow, name: str) -> str:
    return next((str(one["state"]) for one in airflow.tasks(name, RUN)), "")


@dataclass
class Watch(Repeating):
    """Reads the logs of these DAGs in the bucket, again and again, while the block lasts."""

    s3: Any
    bucket: str
    prefix: str
    seen: dict[str, str] = field(default_factory=dict)
    """A DAG's log as it was last; it stays when the log is deleted."""

    left: list[str] = field(default_factory=list)
    """Keys at the last look."""

    def __post_init__(self) -> None:
        super().__init__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self.round()

    def round(self) -> None:
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=f"{self.prefix}/")
        self.left = [str(item["Key"]) for item in found.get("Contents", ())]
        for key in self.left:
            dag = key.partition("dag_id=")[2].partition("/")[0]
            if f"/run_id={RUN}/" not in key:
                continue
            try:
                body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            except self.s3.exceptions.NoSuchKey:
                continue
            self.seen[dag] = "\n".join(readable(str(body, "utf-8", "replace")))
