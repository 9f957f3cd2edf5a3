"""DAGs whose tasks live through an outage, or whose pod cannot start or does not live to its end."""

import ensurepip
import shutil
import zipfile
from pathlib import Path

SECONDS = 50
"""For which the task `work` works: longer than an outage of the tests."""

BEGIN, END = "aerodrome: at work", "aerodrome: worked to the end"


def seeds(folder: Path) -> None:
    """The three packages that Airflow has uv put into every environment of Python 3.11: two that come with Python, and `wheel`,
    which nothing uses here, without content.
    """
    folder.mkdir()
    for bundled in (Path(ensurepip.__file__).parent / "_bundled").glob("*.whl"):
        shutil.copy(bundled, folder)
    with zipfile.ZipFile(folder / "wheel-0.45.1-py3-none-any.whl", "w") as package:
        about = "wheel-0.45.1.dist-info"
        files = {
            f"{about}/METADATA": "Metadata-Version: 2.1\nName: wheel\nVersion: 0.45.1\n",
            f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{name},,\n" for name in (*files, f"{about}/RECORD"))
        for name, content in (files | {f"{about}/RECORD": record}).items():
            package.writestr(name, content)


LAKE, SECRET_LAKE = "lake-of-the-team", "lake-of-others"

DAGS = f'''"""Tasks that ask Airflow for things during an outage, and pods of every faulty kind."""

import os
import time
from datetime import datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, Variable, task
from kubernetes.client import models as k8s

SIZE = 32 * 1024 * 1024


def on_its_own(name: str) -> DAG:
    return DAG(name, schedule=None, start_date=datetime(2026, 1, 1), catchup=False)


def pod(**container: object) -> dict[str, object]:
    spec = k8s.V1PodSpec(containers=[k8s.V1Container(name="base", **container)])
    return {{"pod_override": k8s.V1Pod(spec=spec)}}


def limited(**limits: str) -> dict[str, object]:
    return pod(resources=k8s.V1ResourceRequirements(limits=limits, requests=limits))


@task
def work(seconds: int) -> int:
    """Ask for a variable every second, as tasks ask for connections."""
    print("{BEGIN}", flush=True)
    for second in range(seconds):
        print("second", second, Variable.get("outage", default="none"), flush=True)
        time.sleep(1)
    print("{END}", flush=True)
    return seconds


@task
def after(seconds: int) -> int:
    print("after", seconds, flush=True)
    return seconds


with on_its_own("fault_outage"):
    after(work({SECONDS}))

with on_its_own("fault_celery"):
    after(work.override(executor="CeleryExecutor", retries=1, retry_delay=timedelta(0))({SECONDS}))

with on_its_own("fault_quota"):
    after(1)

with on_its_own("fault_policy"):

    @task
    def buckets() -> dict[str, str]:
        """What S3 answers for a bucket that `taskPolicies` names, and for one that it does not."""
        import boto3
        from botocore.exceptions import ClientError

        answers = {{}}
        for bucket in ("{LAKE}", "{SECRET_LAKE}"):
            try:
                boto3.client("s3").list_objects_v2(Bucket=bucket)
                answers[bucket] = "listed"
            except ClientError as error:
                answers[bucket] = error.response["Error"]["Code"]
        return answers

    buckets()

with on_its_own("fault_virtualenv"):
    # Nothing of the internet reaches a pod of the tests: the packages of an empty environment come with the DAG.
    os.environ |= {{"UV_OFFLINE": "1", "UV_FIND_LINKS": str(Path(__file__).parent / "wheels")}}

    @task.virtualenv(requirements=[], system_site_packages=False)
    def alone() -> str:
        import importlib.util
        import sys

        return f"{{sys.prefix != sys.base_prefix}}, {{importlib.util.find_spec('airflow')}}"

    alone()

with on_its_own("fault_memory"):

    @task(executor_config=limited(memory="400Mi"))
    def hungry() -> None:
        print("{BEGIN}", flush=True)
        kept = []
        while True:
            kept.append(b"x" * SIZE)
            time.sleep(0.1)

    hungry()

with on_its_own("fault_image"):
    after.override(executor_config=pod(image="not-a-registry.invalid/nothing:1"))(1)

with on_its_own("fault_airflow"):
    after.override(
        executor_config=pod(command=["sh", "-c", "echo there is no Airflow here; exit 3"])
    )(1)

with on_its_own("fault_room"):
    after.override(executor_config=limited(memory="900Gi"))(1)

with on_its_own("fault_evicted"):
    work(600)

with on_its_own("fault_volume"):
    SMALL = k8s.V1Volume(
        name="small", empty_dir=k8s.V1EmptyDirVolumeSource(medium="Memory", size_limit="1Mi")
    )
    BASE = k8s.V1Container(
        name="base",
        env=[k8s.V1EnvVar(name="AIRFLOW__LOGGING__BASE_LOG_FOLDER", value="/small")],
        volume_mounts=[k8s.V1VolumeMount(name="small", mount_path="/small")],
    )

    @task(
        executor_config={{
            "pod_override": k8s.V1Pod(spec=k8s.V1PodSpec(containers=[BASE], volumes=[SMALL]))
        }}
    )
    def talkative() -> None:
        for number in range(20_000):
            print("line", number, "x" * 100, flush=True)

    talkative()
'''
