"""InfluxDB and Telegraf as processes of this machine: the images' programs with what charts/monitoring renders."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from infra.contract import metrics
from sandbox import tools
from tests.charts.rendering import merge
from tests.charts.test_monitoring import DEFAULTS, LEAST, rendered
from tests.ports import free_port
from tests.unit.images.airflow_database import python
from tests.unit.images.loading import IMAGES

PASSWORDS = {metrics.ADMIN: "adm'in", metrics.WRITER: 'wri"t\\er', metrics.READER: "reader"}
"""With what InfluxQL, a shell and TOML would take for something else."""

PROGRAMS = tools.checkers_dir() / "debian" / "usr" / "bin"
SECONDS = 1
"""Between two points of a series."""

NODE_SECONDS = DEFAULTS["telegraf"]["nodeSeconds"]


class Refused(Exception):
    """InfluxDB's answer to who may not."""


@dataclass
class Pipeline:
    """Both, in one folder; each may be stopped and started again."""

    folder: Path
    influxdb_port: int = field(default_factory=free_port)
    statsd_port: int = field(default_factory=free_port)
    kubernetes: str = "https://127.0.0.1:1"
    """The address of the API server, and of a node's kubelet. There is none, unless a test has one."""
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    """Of Telegraf's container."""

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{PROGRAMS}:{tools.telegraf_dir()}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "INFLUXDB_CONFIG_PATH": str(self.folder / "influxdb.conf"),
            "SET_UP_PORT": str(self.influxdb_port),
        }

    def configure(self, passwords: Mapping[str, str] = PASSWORDS, **telegraf: Any) -> None:
        """Writes what the chart renders, with the places of this machine."""
        values = merge(LEAST, {"telegraf": {"airflowSeconds": SECONDS, **telegraf}})
        chart = rendered(values)
        account(self.folder)
        container = dict(chart.containers())[f"{metrics.STATSD_SERVICE}/telegraf"]
        self.variables = {one["name"]: one["value"] for one in container.get("env", ())}
        texts = {
            **chart.find("ConfigMap", metrics.INFLUXDB_SERVICE)["data"],
            **chart.find("ConfigMap", metrics.STATSD_SERVICE)["data"],
        }
        for name, text in texts.items():
            (self.folder / name).write_text(self.placed(text))
        (self.folder / "passwords").mkdir(exist_ok=True)
        for user, password in passwords.items():
            (self.folder / "passwords" / user).write_text(password)

    def placed(self, text: str) -> str:
        """A text of settings with the places of this machine."""
        here = (
            ("/var/lib/influxdb", str(self.folder / "influxdb")),
            ("/var/lib/telegraf", str(self.folder / "telegraf")),
            ("/run/secrets/influxdb", str(self.folder / "passwords")),
            ("/run/secrets/database", str(self.folder / "database")),
            (f'":{metrics.INFLUXDB_PORT}"', f'"127.0.0.1:{self.influxdb_port}"'),
            ("127.0.0.1:8088", "127.0.0.1:0"),
            (f"http://{metrics.INFLUXDB_SERVICE}:8086", f"http://127.0.0.1:{self.influxdb_port}"),
            (f'":{metrics.STATSD_PORT}"', f'"127.0.0.1:{self.statsd_port}"'),
            ("https://kubernetes.default.svc", self.kubernetes),
            ("/var/run/secrets/kubernetes.io/serviceaccount", str(self.folder / "account")),
            ('collection_offset = "5s"', 'collection_offset = "500ms"'),
        )
        for ours, this in here:
            text = text.replace(ours, this)
        # No test waits for half a minute.
        for kind, interval in product(("interval", "period"), (f"{NODE_SECONDS}s", "5m")):
            text = text.replace(f'{kind} = "{interval}"', f'{kind} = "{SECONDS}s"')
        # Without an address Telegraf looks for nodes, believes their certificates, and knows where its token is.
        kubelet = (
            f'url = "{self.kubernetes}"',
            "insecure_skip_verify = true",
            f'bearer_token = "{self.folder}/account/token"',
        )
        return text.replace('url = ""', "\n  ".join(kubelet))

    def set_up(self) -> None:
        """What the init container does."""
        done = subprocess.run(
            [str(IMAGES / "influxdb" / "set-up"), "statements", "passwords"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        for password in PASSWORDS.values():
            assert password not in done.stderr.replace("reader\n", "")

    def start(self, program: str) -> None:
        command = ["influxd"] if program == "influxd" else [program, "--config", "telegraf.conf"]
        variables = self.variables if program == "telegraf" else {}
        with (self.folder / f"{program}.log").open("ab") as log:
            self.processes[program] = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**self.environment, **variables},
                stdout=log,
                stderr=log,
            )
        if program == "influxd":
            self._wait(lambda: self.status() == 204)
        else:
            self._wait(lambda: f":{self.statsd_port:04X} " in Path("/proc/net/udp").read_text())

    def stop(self, program: str, how: signal.Signals = signal.SIGTERM) -> None:
        process = self.processes.pop(program)
        process.send_signal(how)
        process.wait(30)

    def log(self, program: str) -> str:
        return (self.folder / f"{program}.log").read_text()

    def status(self) -> int:
        try:
            with urllib.request.urlopen(f"{self._api}/ping", timeout=5) as answer:
                return int(answer.status)
        except OSError:
            return 0

    @property
    def _api(self) -> str:
        return f"http://127.0.0.1:{self.influxdb_port}"

    def ask(
        self, query: str, user: str = metrics.READER, password: str | None = None
    ) -> list[dict[str, Any]]:
        """The rows of every series of the answer, tags of the series included."""
        words = PASSWORDS[user] if password is None else password
        return ask(self._api, query, (user, words))

    def sum(self, measurement: str, **tags: str) -> float:
        """Of a counter."""
        where = "".join(f" AND \"{tag}\" = '{value}'" for tag, value in tags.items())
        rows = self.ask(f'SELECT sum("value") AS total FROM "{measurement}" WHERE time > 0{where}')
        return float(rows[0]["total"]) if rows else 0.0

    def airflow(self, **more: str) -> dict[str, str]:
        """What the chart of Airflow sets for its processes, on this machine."""
        from tests.charts.test_airflow_metrics import settings

        found = settings("127.0.0.1", self.statsd_port)
        return {**found, "PYTHONPATH": str(IMAGES / "airflow" / "modules"), **more}

    def send(self, code: str) -> None:
        """Runs lines of Python with Airflow's own `stats`, as its processes have it."""
        home = self.folder / "airflow"
        home.mkdir(exist_ok=True)
        start = (
            "from airflow.observability import stats\n"
            "from airflow.observability.metrics.statsd_logger import get_statsd_logger\n"
            "stats.initialize(factory=get_statsd_logger, export_legacy_names=False)\n"
        )
        done = subprocess.run(
            [python(), "-c", start + code],
            env={**os.environ, **self.airflow(AIRFLOW_HOME=str(home))},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]

    def _wait(self, ready: Any, seconds: float = 180.0) -> None:
        end = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < end, self.folder
            assert all(one.poll() is None for one in self.processes.values()), self.folder
            time.sleep(0.05)


def account(folder: Path) -> Path:
    """What Kubernetes mounts for a service account, and `ca.key`, with which a server can show itself by `ca.crt`."""
    made = folder / "account"
    if not made.exists():
        made.mkdir()
        (made / "token").write_text("the account's token")
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-subj", "/CN=kubernetes"),
                *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2"),
                *("-addext", "subjectAltName=IP:127.0.0.1"),
                *("-keyout", str(made / "ca.key"), "-out", str(made / "ca.crt")),
            ],
            check=True,
            capture_output=True,
        )
    return made


def ask(api: str, query: str, login: tuple[str, str] | None) -> list[dict[str, Any]]:
    """One query to an InfluxDB. Refused if it does not let in."""
    words = urllib.parse.urlencode({"db": metrics.DATABASE, "q": query})
    request = urllib.request.Request(f"{api}/query", words.encode())
    if login:
        request.add_header("Authorization", f"Basic {b64encode(':'.join(login).encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            (result,) = json.load(answer)["results"]
    except urllib.error.HTTPError as error:
        raise Refused(f"{error.code} {error.read().decode()}") from None
    if "error" in result:
        raise Refused(result["error"])
    return [
        {**dict(zip(one["columns"], row, strict=True)), **one.get("tags", {})}
        for one in result.get("series", ())
        for row in one.get("values", ())
    ]


@contextmanager
def running(
    folder: Path, kubernetes: str = Pipeline.kubernetes, **telegraf: Any
) -> Iterator[Pipeline]:
    """Both run, set up as in the pods; with the chart's values for Telegraf."""
    pipeline = Pipeline(folder, kubernetes=kubernetes)
    pipeline.configure(**telegraf)
    pipeline.set_up()
    try:
        pipeline.start("influxd")
        pipeline.start("telegraf")
        yield pipeline
    finally:
        for program in list(pipeline.processes):
            pipeline.stop(program)
