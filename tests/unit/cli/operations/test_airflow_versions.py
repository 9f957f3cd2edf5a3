"""Which Airflow runs, which would be deployed, and the way back refused by name."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.cloud.kubernetes import Object
from cli.operations import airflow_versions
from cli.operations.airflow_versions import VersionChange
from cli.operations.live import Live
from infra.contract.outputs import Outputs
from tests.charts.rendering import REQUIRED, render
from tests.unit.cli.fakes import FakeKubernetes, FakeSession

NEW = airflow_versions.of_checkout()
MAJOR, MINOR, PATCH = (int(part) for part in NEW.split("."))
OLDER, NEWER = f"{MAJOR}.{MINOR - 1}.9", f"{MAJOR}.{MINOR + 1}.0"
NEWER_PATCH = f"{MAJOR}.{MINOR}.{PATCH + 1}"


def pod(version: str, *, component: str = "scheduler", initialized: bool = True) -> Object:
    """As the chart makes them, of another Airflow."""
    made = render(REQUIRED).find("Deployment", f"airflow-{component}")["spec"]["template"]
    labels = {**made["metadata"]["labels"], "app.kubernetes.io/version": version}
    status = "True" if initialized else "False"
    return {
        "metadata": {"name": f"airflow-{component}-{version}", "labels": labels},
        "spec": made["spec"],
        "status": {
            "phase": "Running" if initialized else "Pending",
            "conditions": [{"type": "Initialized", "status": status}],
        },
    }


def live(*pods: Object, error: KitError | None = None, prefix: str = "backups") -> Live:
    return cast(
        Live,
        SimpleNamespace(
            environment=Environment("dev"),
            outputs=Outputs({"backupPrefix": prefix} if prefix else {}),
            kubernetes=FakeKubernetes(pods=list(pods), error=error),
            session=SimpleNamespace(same=" --env dev"),
        ),
    )


def checked(*pods: Object, **more: Any) -> tuple[VersionChange, list[str]]:
    told: list[str] = []
    return airflow_versions.check(live(*pods, **more), told.append), told


def test_the_same_version_is_no_news() -> None:
    change, told = checked(pod(NEW))
    assert change.data() == {"deployed": NEW, "new": NEW, "migrates": False}
    assert told == []


def test_a_newer_minor_is_a_migration_that_a_backup_should_precede() -> None:
    change, told = checked(pod(OLDER), pod(OLDER, component="api-server"))
    assert change.data() == {"deployed": OLDER, "new": NEW, "migrates": True}
    assert told[0].startswith(
        f"warning: Airflow {OLDER} -> {NEW}: the database's schema is migrated"
    )
    assert told[1].endswith("./aerodrome backup --env dev")


def test_where_there_are_no_backups_none_is_advised() -> None:
    _, told = checked(pod(OLDER), prefix="")
    assert "this environment makes no backups" in told[1]


def test_an_older_minor_is_refused_with_the_way_out() -> None:
    with pytest.raises(UserError, match=f'"dev" runs Airflow {NEWER}') as refused:
        checked(pod(NEWER), pod(OLDER))
    assert f"this checkout has {NEW}" in refused.value.summary
    assert "Nothing was changed" in refused.value.detail
    assert "docs/upgrade.md" in refused.value.detail
    assert refused.value.command.startswith(
        "./aerodrome restore --no-migrate --from BACKUP --env dev"
    )


def test_an_older_patch_is_for_the_migration_job_to_judge() -> None:
    """Only the database knows whether its schema is another."""
    change, told = checked(pod(NEWER_PATCH))
    assert change.backwards
    assert told[0].startswith(f"warning: Airflow {NEWER_PATCH} -> {NEW}: if")


def test_a_pod_that_waits_for_its_schema_says_nothing_of_the_database() -> None:
    """An upgrade that never came to its migration may be taken back."""
    change, _ = checked(pod(NEWER, initialized=False), pod(NEW))
    assert change.deployed == NEW
    change, told = checked(pod(NEWER, initialized=False))
    assert (change.deployed, told) == ("", [])


def test_a_pod_that_does_not_wait_for_the_schema_does_not_count() -> None:
    worker = pod(NEWER)
    worker["spec"] = {**worker["spec"], "initContainers": []}
    assert checked(worker)[0].deployed == ""


def test_versions_are_compared_as_numbers() -> None:
    assert VersionChange("3.10.0", "3.9.1").backwards
    assert not VersionChange("3.9.1", "3.10.0").backwards
    assert not VersionChange("", "3.10.0").minor


def test_a_cluster_that_does_not_answer_stops_nothing() -> None:
    assert checked(error=KitError("no cluster"))[0].deployed == ""


@pytest.mark.parametrize("deployed", [OLDER, f"{MAJOR - 1}.9.0"])
def test_a_backup_of_a_newer_minor_is_refused(deployed: str) -> None:
    with pytest.raises(UserError, match=f'tuesday is of Airflow {NEW}, and "dev" runs {deployed}'):
        airflow_versions.refuse_newer(live(pod(deployed)), "tuesday", NEW)


@pytest.mark.parametrize("deployed", [NEW, NEWER, NEWER_PATCH])
def test_a_backup_of_the_same_or_an_older_minor_is_not(deployed: str) -> None:
    airflow_versions.refuse_newer(live(pod(deployed)), "tuesday", NEW)


class TestVerbs:
    """`preview` and `up` of an environment that runs another Airflow."""

    @pytest.fixture
    def kubernetes(self, session: FakeSession, run_json: Any) -> FakeKubernetes:
        run_json("up")
        return session.fake_kubernetes

    def test_the_change_is_told(self, kubernetes: FakeKubernetes, run: Any, run_json: Any) -> None:
        kubernetes.pods = [pod(OLDER)]
        wanted = {"deployed": OLDER, "new": NEW, "migrates": True}
        assert run_json("preview")["airflow"] == wanted
        assert run_json("up")["airflow"] == wanted
        done = run("preview")
        assert f"warning: Airflow {OLDER} -> {NEW}" in done.stderr

    @pytest.mark.parametrize("verb", ["preview", "up"])
    def test_the_way_back_is_refused_before_pulumi_runs(
        self, kubernetes: FakeKubernetes, session: FakeSession, run: Any, verb: str
    ) -> None:
        kubernetes.pods = [pod(NEWER)]
        calls = session.fake_backends["sandbox"].calls
        before = list(calls)
        done = run(verb)
        assert done.exit_code == 2, done.output
        assert "runs Airflow" in done.stderr
        assert "Traceback" not in done.output
        assert [call for call in calls[len(before) :] if call in ("preview", "up")] == []
