"""The image's Airflow, or another, as processes of this machine: api-server, scheduler with LocalExecutor, dag-processor."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from cli.base.airflow import Airflow
from tests.ports import free_port
from tests.unit.images.airflow_database import python
from tests.unit.images.loading import IMAGES, SCRIPTS

MODULES = IMAGES / "airflow" / "modules"
USER, PASSWORD = "admin", "a-password"
COMPONENTS = ("api-server", "scheduler", "dag-processor")

T = TypeVar("T")


def until(look: Callable[[], T], seconds: float = 240.0, pause: float = 0.3) -> T:
    """What `look` sees, once it sees anything."""
    give_up = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(pause)
    return seen


def answers(client: httpx.Client) -> bool:
    """Whether the api-server is there."""
    try:
        return client.get("/api/v2/version").status_code == 200
    except httpx.TransportError:
        return False


@dataclass
class RealAirflow:
    """One Airflow with a folder of its own."""

    home: Path
    environment: dict[str, str]
    port: int
    interpreter: str
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @contextmanager
    def api(self, _: float = 60.0) -> Iterator[Airflow]:
        with Airflow(f"http://127.0.0.1:{self.port}", USER, PASSWORD, patience=120.0) as airflow:
            yield airflow

    def log(self) -> str:
        texts = [path.read_text()[-3000:] for path in sorted(self.home.glob("*.out"))]
        return "\n".join(texts)

    def start(self, component: str) -> None:
        with (self.home / f"{component}.out").open("wb") as out:
            command = [self.interpreter, "-m", "airflow", component]
            if component != "api-server" and self.interpreter == python():
                # As the chart starts them; an Airflow of before has scripts of its own.
                health = ["--health-port", "0", "--heartbeat-seconds", "60"]
                command = [self.interpreter, str(SCRIPTS / "run_component.py"), component, *health]
            self.processes.append(
                subprocess.Popen(
                    command,
                    env=self.environment,
                    cwd=self.home,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                )
            )

    def stop(self) -> None:
        for process in self.processes:
            # The group: workers of the executor, too.
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def running(
    home: Path,
    database: str,
    bundles: Sequence[Mapping[str, Any]],
    more: Mapping[str, str],
    components: Sequence[str] = COMPONENTS,
    *,
    interpreter: str = "",
    pooled: str = "",
) -> Iterator[RealAirflow]:
    """With these bundles of DAG files; `more` is in the environment of all processes. `pooled` is how the components
    reach the database, if not as the migration does."""
    port = free_port()
    interpreter = interpreter or python()
    (home / "passwords.json").write_text(json.dumps({USER: PASSWORD}))
    settings = {
        "PATH": f"{Path(interpreter).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "PYTHONPATH": str(MODULES),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": "a-secret-of-these-processes",
        "AIRFLOW__API_AUTH__JWT_SECRET": "another-secret-of-these-processes",
        # The first answer of its part for tasks takes longer than Airflow's five seconds on a busy machine.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
        **more,
    }
    it = RealAirflow(home, settings, port, interpreter)
    done = subprocess.run(
        [interpreter, "-m", "airflow", "db", "migrate"],
        env=settings,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    if pooled:
        it.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = pooled
    try:
        for component in components:
            it.start(component)
        yield it
    finally:
        it.stop()
