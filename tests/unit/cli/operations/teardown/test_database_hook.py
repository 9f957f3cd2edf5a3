"""The hook that drops a branch's database: renewed in the release itself, which real Helm then runs."""

import itertools
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from cli.cloud.kubernetes import Kubernetes, reference
from cli.operations.teardown import database_hook
from infra.contract.naming import Names
from sandbox.tools import tool
from tests.charts.rendering import ROOT

CHART = ROOT / "charts" / "branch-database"
BASE = "airflow"
_number = itertools.count()
GONE, PRESENT = (f"registry.example/airflow@sha256:{digit * 64}" for digit in "12")


class Notes:
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


class Deployed:
    """A branch's release on its base."""

    def __init__(self, folder: Path, kubeconfig: str) -> None:
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(kubeconfig)
        self.kubernetes = Kubernetes(self.kubeconfig)
        self.kubernetes.apply(reference("v1", "Namespace", BASE), "tests")
        self.names = Names(f"hook-{next(_number)}", shared=True)
        values = yaml.safe_load((CHART / "tests" / "lint-values.yaml").read_text())
        values |= {"image": GONE}
        self.helm(
            *("install", self.names.database_release, str(CHART), "--values", "-"),
            given=yaml.safe_dump(values),
        )
        self.target: Any = SimpleNamespace(
            kubernetes=self.kubernetes, shared=True, base="dev", names=self.names
        )

    def helm(self, *words: str, given: str = "") -> str:
        where = (f"--kubeconfig={self.kubeconfig}", f"--namespace={BASE}")
        done = subprocess.run(
            [tool("helm"), *words, *where], input=given, text=True, check=True, capture_output=True
        )
        return done.stdout

    def images(self) -> list[str]:
        """One for each of the hook's containers: the branch has a database for Airflow and one for Celery."""
        hook = yaml.safe_load(self.helm("get", "hooks", self.names.database_release))
        return [each["image"] for each in hook["spec"]["template"]["spec"]["containers"]]

    def run_base(self, image: str) -> None:
        labels = {"app.kubernetes.io/name": "airflow", "app.kubernetes.io/component": "scheduler"}
        pod = {"containers": [{"name": "scheduler", "image": image}]}
        self.kubernetes.apply(
            reference("apps/v1", "Deployment", "airflow-scheduler", BASE)
            | {
                "metadata": {"name": "airflow-scheduler", "namespace": BASE, "labels": labels},
                "spec": {
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": pod},
                },
            },
            "tests",
        )


@pytest.fixture
def deployed(tmp_path: Path, api_server: str) -> Deployed:
    made = Deployed(tmp_path, api_server)
    made.kubernetes.delete(reference("apps/v1", "Deployment", "airflow-scheduler", BASE))
    return made


def test_it_gets_the_image_that_the_bases_pods_run(deployed: Deployed) -> None:
    assert set(deployed.images()) == {GONE}
    deployed.run_base(PRESENT)
    notes: Any = Notes()
    database_hook.renew(deployed.target, notes)
    assert set(deployed.images()) == {PRESENT}
    assert PRESENT in notes.said[0]
    # What Helm knows besides is as it was: it can still take the release away.
    assert GONE in deployed.helm("get", "manifest", deployed.names.database_release)
    database_hook.renew(deployed.target, notes)
    assert len(notes.said) == 1
    deployed.helm("uninstall", deployed.names.database_release, "--no-hooks")


def test_a_base_without_pods_is_told(deployed: Deployed) -> None:
    notes: Any = Notes()
    database_hook.renew(deployed.target, notes)
    assert notes.said == ["dev has no scheduler: its image is not known"]
    assert set(deployed.images()) == {GONE}
