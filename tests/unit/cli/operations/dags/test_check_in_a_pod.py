"""`dags check` in the dag-processor's pod: what is sent there, and what the checked files see of it."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cli.operations.dags import check
from tests.unit.cli.fakes import FakeKubernetes

SECRETS = ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__FERNET_KEY")
DAG = """
import os
from airflow.sdk import dag, task, Variable
assert "s3cret" not in str(os.environ), "a secret of the environment"
assert Variable.get("rate") == "3"
@dag(schedule=None)
def pipeline():
    @task
    def work(): pass
    work()
pipeline()
"""


class Pod(FakeKubernetes):
    """Runs here what would run in the pod, with the image's Airflow and a pod's environment."""

    home: Path

    def pipe(self, content: bytes, *arguments: str) -> tuple[int, str, str]:
        self._called(*arguments[:4])
        python, *words = arguments[arguments.index("--") + 1 :]
        assert python == "python"
        program = check.environment(print) / "bin" / "python"
        secrets = dict.fromkeys(SECRETS, "postgresql://airflow:s3cret@nowhere/airflow")
        done = subprocess.run(
            [str(program), *words],
            input=content,
            env={"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(self.home), **secrets},
            cwd=self.home,
            capture_output=True,
            check=False,
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_a_folder_is_checked_in_the_pod_without_its_secrets(tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").write_text((check.IMAGE / "airflow.cfg").read_text())
    dags = tmp_path / "mine"
    dags.mkdir()
    (dags / "pipeline.py").write_text(DAG)
    pod = Pod(
        pods=[
            {
                "metadata": {"name": "airflow-dag-processor-1"},
                "status": {"phase": "Running", "startTime": "2027-03-01T12:00:00Z"},
            }
        ]
    )
    pod.home = tmp_path
    live: Any = SimpleNamespace(kubernetes=pod, environment=SimpleNamespace(name="sandbox"))
    done = check.in_pod(live, dags, {"variables": {"rate": "3"}, "connections": {}})
    assert done.problems == []
    assert done.where == "pod airflow-dag-processor-1"
    assert [file["dags"] for file in done.found["files"]] == [["pipeline"]]
