"""An Airflow of which access.yaml says whose DAGs are whose: real processes with Flask AppBuilder on PostgreSQL."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from infra import user_access
from tests.charts.rendering import Object, render
from tests.unit.images import airflow_database, real_airflow
from tests.unit.images.airflow_database import FERNET_KEY, Database
from tests.unit.images.loading import IMAGES
from tests.unit.images.real_airflow import MODULES, RealAirflow, answers, until

ADMIN = {
    "ADMIN_USERNAME": "admin",
    "ADMIN_PASSWORD": "admins-pass",
    "ADMIN_EMAIL": "admin@example.org",
}
OWNERS = "AERODROME_OWNERS"


@dataclass
class Isolated:
    """The api-server, its users, and the database behind it."""

    database: Database
    access: Object
    airflow: RealAirflow
    client: httpx.Client
    tokens: dict[str, str]

    def ask(self, user: str, method: str, path: str, **more: Any) -> httpx.Response:
        token = self.tokens.get(user, "")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with self.client.stream(method, path, headers=headers, **more) as answer:
            # One endpoint tells a run's state until the run ends.
            if not path.endswith("/wait"):
                answer.read()
        return answer

    def get(self, path: str, **more: Any) -> Any:
        answer = self.ask("admin", "GET", path, **more)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.json()


@contextmanager
def running(
    home: Path,
    dags: Path,
    declaration: str,
    passwords: Mapping[str, str],
    components: Sequence[str] = ("api-server", "dag-processor"),
) -> Iterator[Isolated]:
    """With this access.yaml; users have these passwords. DAGs begin paused."""
    (home / "access.yaml").write_text(declaration)
    found = user_access.check(root=home, administrator="admin")
    assert found is not None
    access = found.data()
    (home / "access.json").write_text(json.dumps(access))
    with airflow_database.running(home) as databases:
        database = databases.new("owners")
        given = {
            "ACCESS_FILE": str(home / "access.json"),
            "ACCESS_PASSWORDS": json.dumps(passwords),
        }
        done = database.run("prepare_database", **ADMIN, **given)
        assert done.returncode == 0, done.stderr[-3000:]
        bundle = {
            "name": "dags-folder",
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(dags)},
        }
        settings = {
            **{key: text for key, text in database.settings.items() if "AUTH_MANAGER" in key},
            "AIRFLOW__CORE__FERNET_KEY": FERNET_KEY,
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
            # A file that comes later is there soon, as with the chart.
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__FAB__UPDATE_FAB_PERMS": "False",
            # As the chart has it, and more patience for a machine with much to do.
            "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "30",
            "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "15",
            "PYTHONPATH": f"{MODULES}:{IMAGES / 'airflow' / 'policy'}",
            OWNERS: given_by_the_chart(access),
        }
        with (
            real_airflow.running(home, database.url, [bundle], settings, components) as airflow,
            httpx.Client(
                base_url=f"http://127.0.0.1:{airflow.port}",
                trust_env=False,
                timeout=60,
                # The server closes one that waits for five seconds, and may do so while a request is on its way.
                limits=httpx.Limits(max_keepalive_connections=0),
            ) as client,
        ):
            until(lambda: answers(client))
            it = Isolated(database, access, airflow, client, {})
            for user, password in {**passwords, "admin": ADMIN["ADMIN_PASSWORD"]}.items():
                login = {"username": user, "password": password}
                answer = client.post("/auth/token", json=login).json()
                it.tokens[user] = answer["access_token"]
            yield it


def given_by_the_chart(access: Object) -> str:
    """To the dag-processor and the api-server, and to nobody else."""
    rendered = render({"access": json.dumps(access)})
    assert rendered.error == ""
    holders = {
        name: item["value"]
        for name, container in rendered.containers()
        for item in container.get("env", [])
        if item["name"] == OWNERS
    }
    assert sorted(name.split("/")[-1] for name in holders) == ["api-server", "dag-processor"], [
        *holders
    ]
    assert len(set(holders.values())) == 1
    return next(iter(holders.values()))
