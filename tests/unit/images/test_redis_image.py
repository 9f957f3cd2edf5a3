"""The entrypoint of images/redis with the server that the image has."""

import contextlib
import hashlib
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
        self.second = folder / "second-password"

    def with_second(self, password: str) -> None:
        self.second.write_text(password)
        self.environment["REDIS_SECOND_PASSWORD_FILE"] = str(self.second)

    def run(self, script: str) -> "subprocess.CompletedProcess[str]":
        """One of the image's, on the port of this test."""
        programs = self.folder / "here"
        programs.mkdir(exist_ok=True)
        for name in ("answers", "passwords", "reload"):
            text = (IMAGES / "redis" / name).read_text()
            (programs / name).write_text(text.replace("redis-cli ", f"redis-cli -p {self.port} "))
            (programs / name).chmod(0o755)
        return subprocess.run(
            [programs / script], env=self.environment, capture_output=True, text=True, check=False
        )

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
    with image.started():
        assert image.run("answers").returncode == 0
        image.secret.write_text("wrong")
        assert image.run("answers").returncode != 0
        # Of two, the server may not have been told of the first yet.
        image.with_second(PASSWORD)
        assert image.run("answers").returncode == 0


class TestTwoPasswords:
    """While one is replaced."""

    def known(self, image: Image, *passwords: str) -> list[bool]:
        return [image.ask(word, "ping") == "PONG" for word in passwords]

    def test_both_are_taken_and_an_empty_one_is_none(self, image: Image) -> None:
        image.with_second("another password")
        with image.started():
            assert self.known(image, PASSWORD, "another password", "wrong") == [True, True, False]
        image.with_second("")
        with image.started():
            assert self.known(image, PASSWORD, "another password", "") == [True, False, False]

    def test_the_server_that_runs_is_told_and_nobody_is_cut_off(self, image: Image) -> None:
        image.with_second("")
        with image.started():
            command = ["redis-cli", "-p", str(image.port)]
            with subprocess.Popen(
                command,
                env={**image.environment, "REDISCLI_AUTH": PASSWORD},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as connected:
                assert connected.stdin
                assert connected.stdout
                connected.stdin.write("client id\n")
                connected.stdin.flush()
                number = connected.stdout.readline()
                image.secret.write_text(PASSWORD)
                image.second.write_text("another password")
                assert image.run("reload").returncode == 0
                assert self.known(image, PASSWORD, "another password") == [True, True]
                image.secret.write_text("")
                assert image.run("reload").returncode == 0
                assert self.known(image, PASSWORD, "another password") == [False, True]
                assert image.run("answers").returncode == 0
                connected.stdin.write("client id\n")
                connected.stdin.close()
                assert connected.stdout.readline() == number

    def test_files_of_which_the_server_knows_none_are_refused(self, image: Image) -> None:
        with image.started():
            image.secret.write_text("wrong")
            done = image.run("reload")
            assert done.returncode == 1
            assert "takes none of the passwords" in done.stderr
            assert self.known(image, PASSWORD) == [True]

    def test_without_any_it_does_not_start(self, image: Image) -> None:
        image.secret.write_text("")
        done = image.run("passwords")
        assert done.returncode != 0
        assert "there is no password" in done.stderr

    def test_what_is_told_has_no_password_in_clear(self, image: Image) -> None:
        image.secret.write_text(PASSWORD)
        assert image.run("passwords").stdout.split() == [
            f"#{hashlib.sha256(PASSWORD.encode()).hexdigest()}"
        ]
