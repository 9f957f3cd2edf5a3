"""The entrypoint of images/redis with the server that the image has."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import tools
from tests.ports import free_port
from tests.unit.images.loading import IMAGES

PASSWORD = 'a "queue\'s" p@ss\\word $HOME #'
DEBIAN = tools.checkers_dir() / "debian"


class Image:
    """What a container of the image does, on a volume that outlives it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.secret = folder / "password"
        programs = folder / "bin"
        programs.mkdir()
        (folder / "data").mkdir()
        # As the Containerfile does: the server is the checker under another name.
        (programs / "redis-server").symlink_to(DEBIAN / "usr" / "bin" / "redis-check-rdb")
        (programs / "redis-cli").symlink_to(DEBIAN / "usr" / "bin" / "redis-cli")
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "LD_LIBRARY_PATH": str(DEBIAN / "usr" / "lib" / "x86_64-linux-gnu"),
            "REDIS_PASSWORD_FILE": str(self.secret),
            "REDIS_DATA": str(folder / "data"),
        }

    @contextlib.contextmanager
    def started(self, password: str = PASSWORD) -> Iterator[None]:
        self.secret.write_text(password)
        command = [IMAGES / "redis" / "entrypoint", "--port", str(self.port)]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        try:
            end = time.monotonic() + 60
            while self.ask(password, "ping") != "PONG":
                assert process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < end
                time.sleep(0.1)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)

    def ask(self, password: str, *command: str) -> str:
        environment = {**self.environment, **({"REDISCLI_AUTH": password} if password else {})}
        done = subprocess.run(
            ["redis-cli", "-p", str(self.port), *command],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path)


def test_nobody_gets_in_without_the_password(image: Image) -> None:
    with image.started():
        assert image.ask("", "llen", "default").startswith("NOAUTH")
        assert image.ask("wrong", "llen", "default").startswith("NOAUTH")
        assert image.ask(PASSWORD, "llen", "default") == "0"


def test_queued_tasks_outlive_it_and_a_new_password_is_taken(image: Image) -> None:
    with image.started():
        assert image.ask(PASSWORD, "lpush", "default", "task") == "1"
    with image.started("another password"):
        assert image.ask("another password", "lrange", "default", "0", "-1") == "task"
        assert image.ask(PASSWORD, "llen", "default").startswith("NOAUTH")


def test_the_password_is_in_no_process_list(image: Image) -> None:
    with image.started():
        listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
        assert f":{image.port}" in listed.stdout
        assert PASSWORD not in listed.stdout


def test_nothing_is_dropped_for_room(image: Image) -> None:
    with image.started():
        assert image.ask(PASSWORD, "config", "get", "maxmemory-policy").split()[-1] == "noeviction"


def test_the_probe_asks_with_the_password(image: Image) -> None:
    probe = (IMAGES / "redis" / "answers").read_text()
    with image.started():
        # On the port of this test.
        script = probe.replace("redis-cli ", f"redis-cli -p {image.port} ")
        answered = subprocess.run(["sh", "-c", script], env=image.environment, check=False)
        assert answered.returncode == 0
        image.secret.write_text("wrong")
        refused = subprocess.run(["sh", "-c", script], env=image.environment, check=False)
        assert refused.returncode != 0
