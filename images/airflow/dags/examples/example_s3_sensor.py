"""### A deferrable sensor: wait for a file in S3 without holding a pod

`S3KeySensor(deferrable=True)` looks once, and if the object is not there, hands the wait to the triggerer: one process
that waits for thousands of things at once. The task's pod ends, and another one goes on when the object is there.

**When to use it.** For every wait of more than a minute. Whatever comes from Airflow's providers and can wait has the
same argument.

**What to look at.** The task `wait_for_file` is purple, *deferred*, until `write_file` is through. Who may read the
bucket is said by the role of Airflow's pods, which the triggerer has as well: there is no key in any of this.
"""

from datetime import datetime, timedelta

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor
from airflow.sdk import conf, dag, task

# The environment's own folder: its pods may write there, the bucket's lifecycle rule deletes what is old.
FOLDER = conf.get("logging", "remote_base_log_folder", fallback="")
FILE = f"{FOLDER}/example_s3_sensor/{{{{ run_id }}}}/ready"


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    default_args={"owner": "examples", "retries": 0},
    tags=["example"],
    doc_md=__doc__,
)
def example_s3_sensor() -> None:
    """The file comes after the wait has begun."""

    @task
    def write_file(file: str) -> None:
        S3Hook().load_string("ready", key=file)

    @task
    def read_file(file: str) -> str:
        return S3Hook().read_key(key=file)

    wait = S3KeySensor(
        task_id="wait_for_file",
        bucket_key=FILE,
        deferrable=True,
        poke_interval=5,
        timeout=timedelta(minutes=10).total_seconds(),
    )
    write_file(FILE)
    wait >> read_file(FILE)


example_s3_sensor()
