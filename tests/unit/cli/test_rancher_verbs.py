"""`aerodrome rancher import|status|remove` and what `status` shows of it, as they are typed.

What happens in a cluster is in operations/rancher and in tests/teardown.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.operations.rancher import agent
from tests.played_rancher import TOKEN, PlayedRancher, playing
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeBackend, FakeKubernetes, FakeSession


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANCHER_URL", "RANCHER_TOKEN", "RANCHER_CA_CERTS", "RANCHER_INSECURE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def deployed(run: Run, session: FakeSession) -> FakeBackend:
    """An environment after an `up`; no secret of it is of interest here."""
    assert run("up", "--no-proof").exit_code == 0
    return session.fake_backend


@pytest.fixture
def played() -> Iterator[PlayedRancher]:
    settings = {"server-url": "https://rancher.example.com", "cacerts": ""}
    with playing(settings=settings) as running:
        yield running


class WithAgent(FakeKubernetes):
    """A cluster in which Rancher's agent waits for its image, or works."""

    works = False
    namespace = "airflow"

    def apply(self, item: dict[str, Any], manager: str) -> dict[str, Any]:
        self._called("apply", item["kind"].lower(), item["metadata"]["name"])
        return item

    def find(self, kind: str, name: str, *, namespace: str = "") -> dict[str, Any] | None:
        if kind == "namespace":
            return {"metadata": {"name": name, "uid": "uid-of-the-cluster"}}
        if kind != "deployment":
            return super().find(kind, name, namespace=namespace)
        env = [{"name": agent.SERVER, "value": "https://rancher.example.com"}]
        conditions = [{"type": "Available", "status": str(self.works)}]
        return {
            "metadata": {"name": name, "generation": 1},
            "spec": {"template": {"spec": {"containers": [{"env": env}]}}},
            "status": {
                "observedGeneration": 1,
                "updatedReplicas": 1,
                "conditions": conditions,
            },
        }

    def objects(self, kind: str, **more: Any) -> list[dict[str, Any]]:
        if kind != "pods" or self.works:
            return super().objects(kind, **more)
        waits = {"reason": "ImagePullBackOff", "message": "no such host"}
        status = {"image": "rancher/rancher-agent:v2.15.1", "state": {"waiting": waits}}
        return [{"metadata": {"name": "a"}, "status": {"containerStatuses": [status]}}]


@pytest.mark.parametrize("url", ["rancher.example.com", "http://rancher.example.com", "https://"])
@pytest.mark.usefixtures("deployed")
def test_an_address_that_is_none_is_refused(url: str, run: Run, played: PlayedRancher) -> None:
    result = run("rancher", "import", "--url", url)
    assert result.exit_code == 2
    assert "no address of a Rancher" in result.stderr
    assert not played.asked


@pytest.mark.usefixtures("deployed")
def test_without_an_address_or_a_token_it_says_how(run: Run) -> None:
    result = run("rancher", "import")
    assert result.exit_code == 2
    assert "has no Rancher of its own" in result.stderr
    result = run("rancher", "import", "--url", "https://rancher.example.com")
    assert result.exit_code == 2
    assert "--token-file FILE" in result.stderr


@pytest.mark.usefixtures("deployed")
def test_an_authority_that_is_none_is_the_users(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANCHER_TOKEN", TOKEN)
    monkeypatch.setenv("RANCHER_CA_CERTS", "/etc/ssl/rancher.pem")
    result = run("rancher", "import", "--url", "https://rancher.example.com")
    assert result.exit_code == 2
    assert "RANCHER_CA_CERTS has no certificate in it" in result.stderr


def test_a_branch_is_sent_to_its_base(run: Run, deployed: FakeBackend) -> None:
    deployed.set_config("aerodrome:tenancy", "shared", secret=False)
    deployed.set_config("aerodrome:base", "prod", secret=False)
    for verb in ("import", "status", "remove"):
        result = run("rancher", verb)
        assert result.exit_code == 2, verb
        assert "is that of its base" in result.stderr


def test_anothers_cluster_is_not_registered(run: Run, deployed: FakeBackend) -> None:
    deployed.more["clusterName"] = "team"
    result = run("rancher", "import", "--url", "https://rancher.example.com")
    assert result.exit_code == 2
    assert "stands in the cluster team, which is somebody else's" in result.stderr


@pytest.mark.usefixtures("deployed")
def test_a_cluster_that_is_registered_is_found_again(
    session: FakeSession,
    run_json: Callable[..., Any],
    played: PlayedRancher,
    tmp_path: Path,
) -> None:
    session.fake_kubernetes = kubernetes = WithAgent()
    kubernetes.works = True
    token = tmp_path / "token"
    token.write_text(TOKEN)
    where = ("--url", played.url, "--token-file", str(token))
    item = played._cluster("c-7", {"name": "its-name", "annotations": MARKED})
    played.clusters["c-7"] = item
    played.connect()
    found = run_json("rancher", "import", *where)
    assert found["cluster"] == {"id": "c-7", "name": "its-name", "state": "active"}
    assert (found["created"], found["agent"]["state"]) == (False, "healthy")
    seen = run_json("rancher", "status", *where)
    assert (seen["registered"], seen["healthy"]) == (True, True)


@pytest.mark.usefixtures("deployed")
def test_status_says_why_the_agent_does_not_work(
    session: FakeSession, run: Run, run_json: Callable[..., Any]
) -> None:
    assert "rancher" not in run_json("status")
    session.fake_kubernetes = WithAgent()
    found = run_json("status")["rancher"]
    assert (found["state"], found["cause"]) == ("failing", "image")
    for words in (("status",), ("rancher", "status")):
        shown = run(*words).stdout
        assert "rancher/rancher-agent:v2.15.1 cannot be had: no such host" in shown


@pytest.mark.usefixtures("deployed")
def test_a_token_that_rancher_does_not_take_is_told(
    run: Run, played: PlayedRancher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANCHER_TOKEN", "token-wrong:hiddenvalue")
    for verb in ("import", "status"):
        result = run("rancher", verb, "--url", played.url)
        assert result.exit_code == 2
        assert "does not accept the token" in result.stderr
        assert "hiddenvalue" not in result.output


MARKED = {"aerodrome/cluster-uid": "uid-of-the-cluster"}


def test_up_tells_how_the_environments_own_rancher_gets_the_cluster(
    session: FakeSession, run_json: Callable[..., Any], run: Run
) -> None:
    address = "https://rancher.example.com"
    more = {"contract": 1, "rancherAddress": address}
    session.fake_backends["dev"] = FakeBackend(there=5, more=more)
    session.fake_kubernetes.service = {"spec": {"ports": [{"port": 8080}]}}
    found = run_json("up", "--env", "dev", "--yes", "--no-proof")["rancher"]
    assert found["registered"] is False
    assert found["next"] == f"./aerodrome rancher import --env dev --url {address}"
    assert found["next"] in run("up", "--env", "dev", "--yes", "--no-proof").stdout
