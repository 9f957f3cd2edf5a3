"""A task's log reaches S3 although the agent of the pod's credentials is away for a while: the image's Airflow, real HTTP."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.unit.images.airflow_database import python
from tests.unit.images.loading import SCRIPTS

UPLOAD = """
import sys
from pathlib import Path
from types import SimpleNamespace
sys.path.insert(0, SCRIPTS)
import run_task
run_task.prepare_supervisor()
from airflow.sdk.execution_time import supervisor
from airflow.sdk.configuration import conf

path = Path(conf.get("logging", "base_log_folder"), "dag", "task.log")
path.parent.mkdir(parents=True)
path.write_text("a line\\n")
log = SimpleNamespace(_logger=SimpleNamespace(_file=path.open("a")))
supervisor.ActivitySubprocess._upload_logs(
    SimpleNamespace(client=None, process_log=log, ti=None, id="1", pid=1)
)
print("left" if path.exists() else "uploaded")
"""


class Aws(ThreadingHTTPServer):
    """A pod's agent of credentials that is away at first, and a bucket."""

    def __init__(self, away: int) -> None:
        self.away = away
        self.bucket: dict[str, str] = {}
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Aws

    def do_HEAD(self) -> None:
        self._answer(200 if self.path in self.server.bucket else 404)

    def do_GET(self) -> None:
        self.server.away -= 1
        if self.server.away >= 0:
            self._answer(503)
            return
        keys = {"AccessKeyId": "key", "SecretAccessKey": "secret", "Token": "token"}
        self._answer(200, json.dumps({**keys, "Expiration": "2099-01-01T00:00:00Z"}))

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        # The client's checksum may come in chunks: what counts is the text.
        self.server.bucket[self.path] = body
        self._answer(200)

    def _answer(self, status: int, body: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def aws(away: int) -> Iterator[Aws]:
    with Aws(away) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


# Botocore asks three times before it gives up.
@pytest.mark.parametrize("away", [0, 4])
def test_it_is_offered_until_there_are_credentials(tmp_path: Path, away: int) -> None:
    with aws(away) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        extra = {"region_name": "us-east-1", "endpoint_url": url}
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(tmp_path / "logs"),
            "AIRFLOW__LOGGING__REMOTE_LOGGING": "True",
            "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER": "s3://bucket/logs",
            "AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID": "aerodrome_logs",
            "AIRFLOW__LOGGING__DELETE_LOCAL_LOGS": "True",
            "AIRFLOW_CONN_AERODROME_LOGS": json.dumps({"conn_type": "aws", "extra": extra}),
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/v1/credentials",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
        }
        done = subprocess.run(
            [python(), "-c", UPLOAD.replace("SCRIPTS", repr(str(SCRIPTS)))],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.stdout.splitlines()[-1:] == ["uploaded"], done.stdout + done.stderr
        ((path, body),) = server.bucket.items()
        assert path.endswith("/logs/dag/task.log")
        assert "a line\n" in body
        assert "Could not verify" in done.stdout + done.stderr if away else server.away < 0
