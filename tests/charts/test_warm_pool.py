"""Pods that wait for tasks: what the chart says of them to the scheduler and to the network."""

from tests.charts.rendering import render
from tests.unit.images.loading import script


class TestWarmPool:
    def test_the_scheduler_knows_its_size_and_the_other_pods_do_not(self) -> None:
        rendered = render({"workers": {"warmPool": 3}})
        scheduler = rendered.find("Deployment", "airflow-scheduler")["spec"]["template"]["spec"]
        variables = {one["name"]: one.get("value") for one in scheduler["containers"][0]["env"]}
        assert variables["AERODROME_WARM_POOL"] == "3"
        assert "AERODROME_WARM_POOL" not in rendered.find("ConfigMap", "airflow-config")["data"]

    def test_the_scheduler_alone_reaches_a_waiting_pod(self) -> None:
        policies = {"networkPolicies": {"enabled": True}}
        closed = render(policies).find("NetworkPolicy", "airflow-worker")["spec"]
        assert closed["ingress"] == []
        opened = render({**policies, "workers": {"warmPool": 1}})
        (way,) = opened.find("NetworkPolicy", "airflow-worker")["spec"]["ingress"]
        (source,) = way["from"]
        labels = source["podSelector"]["matchLabels"]
        assert labels["app.kubernetes.io/component"] == "scheduler"
        assert way["ports"] == [{"port": script("await_task").PORT}]
