"""What the rotation asks of the cluster: a Job with a Secret that goes again, and whether pods of before are left."""

import json
from typing import cast

import pytest

from cli.base.errors import KitError, UserError
from cli.base.phases import Phases
from cli.base.values import Secret
from cli.operations.deployment import DeploymentPlan
from cli.operations.live import Live
from cli.operations.rotation import encryption
from cli.operations.rotation.rollout import Rollout
from tests.unit.cli.operations.rotation.conftest import Cluster, pod

CHECKSUM = "checksum-of-now"
OTHER = "a-key-that-no-list-shows"


def rows(lost: int = 0) -> str:
    one = {"encrypted": 12, "clear": 0, "own": 12, "other": 12 - lost, "lost": lost}
    return json.dumps({"connection": one, "connection_test_request": {**one, "lost": 0}})


class TestCount:
    """One Job, and what it is given."""

    def test_the_other_key_is_in_a_secret_that_is_taken_away(
        self, live: Live, cluster: Cluster
    ) -> None:
        cluster.answer = rows()
        assert encryption.count(live, OTHER)["connection"]["encrypted"] == 12
        secret, job = cluster.made
        assert secret["stringData"] == {"OTHER_FERNET_KEY": OTHER}
        assert OTHER not in json.dumps(job)
        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert container["args"] == ["python", "/opt/airflow/scripts/fernet_rows.py"]
        names = [one["name"] for one in container["env"]]
        assert {"OTHER_FERNET_KEY", "AIRFLOW__CORE__FERNET_KEY"} <= set(names)
        assert cluster.calls[-1] == ("delete", "Secret", secret["metadata"]["name"])

    def test_it_is_taken_away_after_a_failure_too(self, live: Live, cluster: Cluster) -> None:
        cluster.answer = "no json"
        with pytest.raises(ValueError, match="Expecting value"):
            encryption.count(live, OTHER)
        assert cluster.calls[-1][:2] == ("delete", "Secret")

    def test_encrypting_needs_no_other_key(self, live: Live, cluster: Cluster) -> None:
        cluster.answer = '{"anew": {"variable": 3}}'
        assert encryption.encrypt(live) == {"anew": {"variable": 3}}
        (job,) = cluster.made
        env = job["spec"]["template"]["spec"]["containers"][0]["env"]
        assert {"name": "FERNET_TASK", "value": "encrypt"} in env


class TestKeyOfUp:
    """Before a deployment."""

    def configured(self, live: Live, key: str) -> None:
        live.backend.set_config(encryption.KEY, key, secret=True)

    @pytest.mark.parametrize("key", ["deployed-key", "new,deployed-key", "deployed-key, new"])
    def test_a_key_beside_the_deployed_one_asks_nobody(
        self, live: Live, cluster: Cluster, key: str
    ) -> None:
        self.configured(live, key)
        encryption.check_key(live)
        assert cluster.made == []

    def test_a_key_that_reads_nothing_is_refused(self, live: Live, cluster: Cluster) -> None:
        self.configured(live, OTHER)
        cluster.answer = rows(lost=12)
        with pytest.raises(UserError) as refused:
            encryption.check_key(live)
        assert "this key cannot read 12 of 12 connections. Nothing was changed." in (
            refused.value.detail
        )
        assert "tests of connections" not in refused.value.detail
        assert "./aerodrome secrets rotate fernet" in refused.value.command

    def test_one_that_reads_all_is_taken(self, live: Live, cluster: Cluster) -> None:
        self.configured(live, OTHER)
        cluster.answer = rows()
        encryption.check_key(live)
        assert len(cluster.made) == 2

    def test_what_cannot_be_found_out_is_no_yes(self, live: Live, cluster: Cluster) -> None:
        self.configured(live, OTHER)
        cluster.migration["metadata"]["name"] = "gone"

        def nothing(kind: str, **_: object) -> list[object]:
            return []

        cluster.objects = nothing  # type: ignore[assignment,method-assign]
        with pytest.raises(KitError, match="could not be found out") as failed:
            encryption.check_key(live)
        assert "Nothing was changed" in failed.value.detail

    @pytest.mark.parametrize("broken", ["away", "fresh"])
    def test_without_a_cluster_or_a_secret_there_is_nothing_to_lose(
        self, live: Live, cluster: Cluster, broken: str
    ) -> None:
        self.configured(live, OTHER)
        cluster.error, cluster.key = (KitError("away") if broken == "away" else None), ""
        encryption.check_key(live)
        assert cluster.made == []


class TestClearText:
    """What the migration Job of a deployment has encrypted."""

    def test_its_number_is_told(
        self, live: Live, cluster: Cluster, capsys: pytest.CaptureFixture[str]
    ) -> None:
        cluster.said = ["x", 'fernet: {"encrypted": {"connection": 3, "variable": 1}}']
        assert encryption.encrypted_since(live, "none") == {"connection": 3, "variable": 1}
        assert "is encrypted now: 3 connections, 1 variables" in capsys.readouterr().err

    def test_an_older_job_is_no_news(self, live: Live, cluster: Cluster) -> None:
        cluster.said = ['fernet: {"encrypted": {"connection": 3}}']
        assert encryption.encrypted_since(live, "one") == {}


def rollout(live: Live, which: str = "fernet") -> Rollout:
    return Rollout(live, cast(DeploymentPlan, None), cast(Phases, None), which, (which,), ())


class TestPodsOfBefore:
    """Whether what they write could still come."""

    @pytest.fixture(autouse=True)
    def _deployed(self, cluster: Cluster) -> None:
        cluster.migration = {
            **cluster.migration,
            "spec": {
                "template": {"metadata": {"annotations": {"checksum/fernet-secret": CHECKSUM}}}
            },
        }

    def test_tasks_pods_and_those_that_ended_are_none(self, live: Live, cluster: Cluster) -> None:
        cluster.pods = [
            pod("scheduler", CHECKSUM),
            pod("worker", ""),
            pod("migration", "before", "Succeeded"),
        ]
        rollout(live).settle(print)

    def test_one_that_is_left_is_waited_for_and_named(self, live: Live, cluster: Cluster) -> None:
        cluster.pods = [pod("scheduler", "before"), pod("scheduler", CHECKSUM)]
        told: list[str] = []
        with pytest.raises(KitError, match="airflow-scheduler-before") as failed:
            rollout(live).settle(told.append, seconds=0)
        assert told == ["pods of before end: airflow-scheduler-before"]
        assert "./aerodrome secrets rotate fernet" in failed.value.command

    def test_another_secrets_checksum_is_none_of_its_business(
        self, live: Live, cluster: Cluster
    ) -> None:
        metadata = cluster.migration["spec"]["template"]["metadata"]
        metadata["annotations"]["checksum/jwt-secret"] = "jwt-of-now"
        cluster.pods = [pod("scheduler", "before")]
        rollout(live, "jwt").settle(print)
        cluster.pods[0]["metadata"]["annotations"]["checksum/jwt-secret"] = "jwt-of-before"
        with pytest.raises(KitError, match="airflow-scheduler-before") as failed:
            rollout(live, "jwt").settle(print, seconds=0)
        assert "./aerodrome secrets rotate jwt" in failed.value.command

    def test_pods_that_reach_the_database_through_pgbouncer_have_another_secret(
        self, live: Live, cluster: Cluster
    ) -> None:
        """The migration Job goes past it, so a Deployment tells what they have read."""
        notes = cluster.migration["spec"]["template"]["metadata"]["annotations"]
        notes["checksum/database-secret"] = CHECKSUM
        pooled = {"checksum/pgbouncer-secret": CHECKSUM}
        template = {"metadata": {"annotations": pooled}}
        cluster.workloads = [
            {"metadata": {"name": "airflow-flower"}, "spec": {"template": {"metadata": {}}}},
            {"metadata": {"name": "airflow-pgbouncer"}, "spec": {"template": template}},
        ]
        both = ("database", "pgbouncer")
        it = Rollout(live, cast(DeploymentPlan, None), cast(Phases, None), "database", both, ())
        cluster.pods = [pod("scheduler", ""), pod("backup", "")]
        for one, key in zip(cluster.pods, both[::-1], strict=True):
            one["metadata"]["annotations"] = {f"checksum/{key}-secret": CHECKSUM}
        it.settle(print)
        cluster.pods[0]["metadata"]["annotations"]["checksum/pgbouncer-secret"] = "before"
        with pytest.raises(KitError, match="Pods of before do not end: airflow-scheduler-"):
            it.settle(print, seconds=0)


def test_the_secret_of_the_key_is_the_charts(live: Live, cluster: Cluster) -> None:
    assert encryption.deployed_key(live.kubernetes) == "deployed-key"
    assert ("find", "secret", "airflow-fernet") in cluster.calls
    assert isinstance(live.backend.config()[encryption.KEY], Secret)
