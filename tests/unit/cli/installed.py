"""A deployed environment as the verbs of its secrets see it: a state with Secrets, and a database that takes logins."""

import base64
import json

from cli.cloud.kubernetes import Object
from cli.stack.backends import Found
from infra.contract import database_logins, metrics
from infra.contract.secret_contents import SECRET_NAMES
from tests.unit.cli.fakes import FakeBackend
from tests.unit.cli.operations.rotation.conftest import Cluster


class WithSecrets(FakeBackend):
    """Its state has the Secrets of the chart."""

    def resources(self) -> list[Found]:
        made = [
            Found("kubernetes:core/v1:Secret", name, f"urn::{name}", f"airflow/{name}")
            for name in SECRET_NAMES.values()
        ]
        return [*super().resources(), *made] if self.there else []


class Serving(Cluster):
    """A cluster whose database lets in what is configured, and no other."""

    stuck = False
    """Whether it lets in everybody."""

    def __init__(self, backend: FakeBackend) -> None:
        super().__init__("")
        self.backend = backend

    def find(self, kind: str, name: str, *, namespace: str = "") -> Object | None:
        if kind != "secret":
            return self.service if kind == "service" else None
        password = str(self.backend.values["aerodrome:databasePassword"].value)
        return {"data": {"password": base64.b64encode(password.encode()).decode()}}

    def logs(self, selector: str, *, lines: int) -> list[str]:
        (secret,) = [one for one in self.made if one["kind"] == "Secret"][-1:]
        logins = json.loads(secret["stringData"]["LOGINS"])
        own = str(self.backend.values["aerodrome:databasePassword"].value)
        text = self.backend.values.get("aerodrome:databaseLogins")
        both = database_logins.of(own, str(text.value) if text else "")
        monitor = self.backend.values.get("aerodrome:metricsDatabasePassword")
        known = {"airflow": both.first, "airflow_second": both.second}
        known |= {metrics.MONITOR: str(monitor.value)} if monitor else {}
        return [json.dumps([self.stuck or known[user] == word for user, word in logins])]
