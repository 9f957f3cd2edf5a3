"""Elasticsearch and the shipper as processes of this machine: the images' programs with what charts/monitoring renders."""

import base64
import json
import os
import shutil
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.contract import logs
from sandbox import tools
from tests.charts.rendering import Object, merge
from tests.charts.test_monitoring import LOGS, SHIPPER, rendered
from tests.ports import free_port
from tests.unit.images.loading import IMAGES

SCRIPTS = IMAGES / "elasticsearch" / "scripts"
PASSWORDS = {logs.WRITER: "wri:t\"er'", logs.READER: "re ader$"}
NOT_ROOT = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
"""Elasticsearch refuses to run as root; the folders of the tests, and of the cache, are root's alone."""

DAYS = 30


class Refused(Exception):
    """Elasticsearch's answer to who may not; the status is its first argument."""


@dataclass
class Pipeline:
    """Server, keeper and shipper, in one folder; each may be stopped and started again."""

    folder: Path
    port: int = field(default_factory=free_port)
    health_port: int = field(default_factory=free_port)
    statsd: str = ""
    """Whom the keeper tells what has come."""
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        return self.folder / name

    @property
    def environment(self) -> dict[str, str]:
        """As the pod has it, with this folder in the place of its mounts."""
        containers = dict(rendered(LOGS).containers())
        found = {
            one["name"]: str(one["value"])
            for container in containers.values()
            for one in container.get("env", ())
        }
        return {
            **found,
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "ES_HOME": str(tools.elasticsearch()),
            "ES_PATH_CONF": str(self.path("config")),
            "ES_TMPDIR": str(self.path("tmp")),
            "ES_JAVA_HOME": str(Path(shutil.which("java") or "").resolve().parents[1]),
            "SETTINGS": str(self.path("settings")),
            "PASSWORDS": str(self.path("passwords")),
            "KEEPER_FOLDER": str(self.path("keeper")),
            "AUTHORITY": str(self.path("data") / "authority"),
            "SERVER": f"https://127.0.0.1:{self.port}",
            "PUBLISH_TO": "",
            "STATSD": self.statsd,
        }

    def configure(self, **shipper: Any) -> None:
        """What the chart renders, with ports and folders of this machine."""
        for name in ("config", "tmp", "settings", "passwords", "keeper", "data", "logs"):
            self.path(name).mkdir(exist_ok=True)
        chart = rendered(merge(LOGS, {"shipper": shipper, "elasticsearch": {"days": DAYS}}))
        server = chart.find("ConfigMap", logs.ELASTICSEARCH_SERVICE)["data"]
        told = chart.find("ConfigMap", SHIPPER)["data"]["shipper.yaml"]
        for name, text in (*server.items(), ("../shipper.yaml", told)):
            (self.path("settings") / name).write_text(self.here(text))
        for user, password in PASSWORDS.items():
            (self.path("passwords") / user).write_text(password)

    def here(self, text: str) -> str:
        """What the chart renders, with this machine's ports and folders."""
        exchanged = [
            ("http.port: 9200", f"http.port: {self.port}"),
            ("http.host: 0.0.0.0", "http.host: 127.0.0.1"),
            ("path.logs: /tmp", f"path.logs: {self.path('tmp')}"),
            (
                "transport.host: 127.0.0.1",
                f"transport.host: 127.0.0.1\ntransport.port: {free_port()}",
            ),
            ("/var/lib/elasticsearch", str(self.path("data"))),
            ("monitoring-elasticsearch.monitoring.svc:9200", f"localhost:{self.port}"),
            ("/var/log/pods", str(self.path("logs"))),
            ("/var/lib/shipper", str(self.path("shipper"))),
            ("/run/authority/ca.crt", str(self.path("data") / "authority" / "ca.crt")),
            ("/run/secrets/elasticsearch", str(self.path("passwords"))),
            ("/etc/shipper", str(self.folder)),
            ("0.0.0.0:13133", f"127.0.0.1:{self.health_port}"),
        ]
        for before, after in exchanged:
            text = text.replace(before, after)
        return text

    def prepare(self) -> None:
        """As the init container does."""
        distribution = self.path("distribution") / "config"
        distribution.mkdir(parents=True, exist_ok=True)
        for name in ("jvm.options", "log4j2.properties"):
            shutil.copy(IMAGES / "elasticsearch" / name, distribution / name)
        told = {**self.environment, "ES_HOME": str(distribution.parent)}
        done = subprocess.run(
            ["python3", str(SCRIPTS / "prepare.py")], env=told, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        self.path("keeper").joinpath("ready").unlink(missing_ok=True)

    def start(self, program: str) -> None:
        command = {
            "elasticsearch": [*NOT_ROOT, str(tools.elasticsearch() / "bin" / "elasticsearch")],
            "keeper": ["python3", str(SCRIPTS / "keeper.py")],
            "shipper": [str(tools.shipper()), "--config", "shipper.yaml"],
        }[program]
        with self.path(f"{program}.log").open("ab") as log:
            self.processes[program] = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_server(self) -> None:
        """Until the pod would be ready."""
        self.prepare()
        self.start("elasticsearch")
        self.start("keeper")
        self.wait(self.path("keeper").joinpath("ready").exists)

    def stop(self, program: str, how: signal.Signals = signal.SIGTERM) -> None:
        """With its children: Java is one of Elasticsearch's starter."""
        process = self.processes.pop(program)
        os.killpg(process.pid, how)
        process.wait(60)

    def pin(self, program: str, processor: int) -> None:
        """All of its threads run on that processor from now on."""
        for thread in Path(f"/proc/{self.processes[program].pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {processor})

    def processor_seconds(self, program: str) -> float:
        """What its process has used until now."""
        fields = Path(f"/proc/{self.processes[program].pid}/stat").read_text().rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def log(self, program: str) -> str:
        return self.path(f"{program}.log").read_text(errors="replace")

    def wait(self, done: Callable[[], bool], seconds: float = 300) -> None:
        until = time.monotonic() + seconds
        while not done():
            for program, process in self.processes.items():
                assert process.poll() is None, self.log(program)[-3000:]
            assert time.monotonic() < until, "".join(map(self.log, self.processes))[-3000:]
            time.sleep(0.2)

    def ask(
        self,
        path: str,
        body: object = None,
        user: str = logs.READER,
        password: str | None = None,
        method: str | None = None,
    ) -> Any:
        """Elasticsearch's answer. Refused if it does not let in."""
        word = PASSWORDS.get(user, "") if password is None else password
        login = base64.b64encode(f"{user}:{word}".encode()).decode()
        request = urllib.request.Request(
            f"https://localhost:{self.port}/{path}",
            _encoded(body),
            {"Authorization": f"Basic {login}", "Content-Type": "application/json"},
            method=method,
        )
        trust = ssl.create_default_context(cafile=str(self.path("data") / "authority" / "ca.crt"))
        try:
            with urllib.request.urlopen(request, context=trust, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 503:
                # An index that is there, and no shard of it yet.
                time.sleep(0.2)
                return self.ask(path, body, user, password, method)
            raise Refused(error.code, error.read().decode()) from error

    def admits(self, user: str, password: str, indices: str) -> bool:
        """Whether a user may read these."""
        try:
            self.ask(f"{indices}/_count", user=user, password=password)
        except Refused:
            return False
        return True

    def bulk(self, text: str) -> None:
        """As the shipper does."""
        found = self.ask("_bulk", text, logs.WRITER)
        assert not found["errors"], found

    def documents(
        self, query: Mapping[str, Any] | None = None, index: str = "airflow.*", **login: str
    ) -> list[Object]:
        """In the order in which they were written."""
        body = {
            "size": 10000,
            "query": query or {"match_all": {}},
            "sort": [{"@timestamp": "asc"}, {"sequence": "asc"}],
        }
        found = self.ask(f"{index}/_search", body, **login)
        return [one["_source"] for one in found["hits"]["hits"]]

    def count(self) -> int:
        return int(self.ask("airflow.*/_count")["count"])


def _encoded(body: object) -> bytes | None:
    if body is None:
        return None
    return (body if isinstance(body, str) else json.dumps(body)).encode()


@dataclass
class Container:
    """A container's log file, as containerd and the kubelet write it."""

    folder: Path
    namespace: str
    pod: str
    uid: str
    container: str = "base"

    @property
    def file(self) -> Path:
        name = f"{self.namespace}_{self.pod}_{self.uid}"
        path = self.folder / name / self.container / "0.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, *lines: str, partial: bool = False) -> None:
        tag = "P" if partial else "F"
        with self.file.open("a") as file:
            for line in lines:
                now = time.time_ns()
                second = datetime.fromtimestamp(now // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
                file.write(f"{second}.{now % 10**9:09d}Z stdout {tag} {line}\n")

    def rotate(self) -> None:
        self.file.rename(self.file.with_name("0.log.20261129-080000"))


def event(text: str, **fields: Any) -> str:
    """A line of Airflow's, as a task's process writes it."""
    return json.dumps(
        {"timestamp": "2026-11-29T08:00:00Z", "level": "info", "event": text, **fields}
    )


@contextmanager
def running(folder: Path, statsd: str = "") -> Iterator[Pipeline]:
    """Both, until the block ends."""
    pipeline = Pipeline(folder, statsd=statsd)
    pipeline.configure()
    try:
        pipeline.start_server()
        pipeline.start("shipper")
        yield pipeline
    finally:
        for program in list(pipeline.processes):
            pipeline.stop(program, signal.SIGKILL)
