"""The language host that set-up builds, asked as the engine asks it, and run by Pulumi's own CLI."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from sandbox import pulumi, tools
from sandbox.setup import go_tools
from sandbox.setup.task import Log

HOST = "pulumi-language-python"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the host is: a machine with a CLI of its own has not needed it yet."""
    if (tools.pulumi_dir() / HOST).exists():
        return tools.pulumi_dir()
    made = tmp_path_factory.mktemp("host")
    go_tools.build_language_host(Log(made / "build.log"), made)
    return made


@contextlib.contextmanager
def serving(
    folder: Path, errors: int | None = None
) -> Iterator[language_pb2_grpc.LanguageRuntimeStub]:
    command = [folder / HOST, "127.0.0.1:1"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as ours,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(ours.terminate)
        assert ours.stdout is not None
        channel = grpc.insecure_channel(f"127.0.0.1:{int(ours.stdout.readline())}")
        yield language_pb2_grpc.LanguageRuntimeStub(stack.enter_context(channel))


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[language_pb2_grpc.LanguageRuntimeStub]:
    with serving(folder) as stub:
        yield stub


def info(root: Path, **options: str) -> language_pb2.ProgramInfo:
    given = Struct()
    given.update(options)
    return language_pb2.ProgramInfo(
        root_directory=str(root), program_directory=str(root), entry_point=".", options=given
    )


def test_it_names_the_programs_python(host: language_pb2_grpc.LanguageRuntimeStub) -> None:
    about = host.About(language_pb2.AboutRequest(info=info(tools.ROOT, virtualenv=".venv")))
    assert about.executable == str(tools.ROOT / ".venv" / "bin" / "python")
    assert about.version.startswith("3.")
    assert host.GetPluginInfo(Empty()).version


def test_it_lists_what_is_installed(host: language_pb2_grpc.LanguageRuntimeStub) -> None:
    asked = language_pb2.GetProgramDependenciesRequest(info=info(tools.ROOT, virtualenv=".venv"))
    found = {each.name: each.version for each in host.GetProgramDependencies(asked).dependencies}
    assert found["pulumi"] == tools.sdk_version("pulumi")


def test_it_asks_for_no_plugins(host: language_pb2_grpc.LanguageRuntimeStub) -> None:
    asked = language_pb2.GetRequiredPackagesRequest(info=info(tools.ROOT, virtualenv=".venv"))
    assert not host.GetRequiredPackages(asked).packages


def test_it_refuses_a_debugger(host: language_pb2_grpc.LanguageRuntimeStub) -> None:
    run = language_pb2.RunRequest(
        info=info(tools.ROOT, virtualenv=".venv"), attach_debugger=True, pwd=str(tools.ROOT)
    )
    assert "attaches no debugger" in host.Run(run).error


def test_a_project_without_an_environment_is_refused(
    host: language_pb2_grpc.LanguageRuntimeStub, tmp_path: Path
) -> None:
    missing = "there is no Python environment at"
    for options, reason in (({}, "names no virtual environment"), ({"virtualenv": "x"}, missing)):
        run = language_pb2.RunRequest(info=info(tmp_path, **options), pwd=str(tmp_path))
        assert reason in host.Run(run).error
        with pytest.raises(grpc.RpcError) as refused:
            host.About(language_pb2.AboutRequest(info=info(tmp_path, **options)))
        assert reason in refused.value.details()


def test_a_cancelled_program_adds_no_traceback(folder: Path, tmp_path: Path) -> None:
    # The engine cancels the call when a resource has failed, while the program still waits for it.
    started, python = tmp_path / "started", tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    waiting = (
        f"import os, time; print(os.getpid(), file=open({str(started)!r}, 'w', 1)); time.sleep(300)"
    )
    python.write_text(f"#!/bin/sh\nexec {shlex.join([sys.executable, '-c', waiting])}\n")
    python.chmod(0o755)
    run = language_pb2.RunRequest(info=info(tmp_path, virtualenv="venv"), pwd=str(tmp_path))
    with (tmp_path / "errors").open("wb") as errors, serving(folder, errors.fileno()) as stub:
        call = stub.Run.future(run)
        until = time.monotonic() + 60
        while not (started.exists() and started.read_text()):
            assert not call.done(), call.result()
            assert time.monotonic() < until
            time.sleep(0.05)
        call.cancel()
        assert gone(int(started.read_text()))
    assert (tmp_path / "errors").read_text() == ""


def test_it_ends_with_its_parent(folder: Path) -> None:
    # The parent says who the host is, and dies.
    parent = subprocess.run(
        ["sh", "-c", f'"{folder / HOST}" 127.0.0.1:1 >"$0" & echo $!; sleep 0.5', os.devnull],
        capture_output=True,
        text=True,
        check=True,
    )
    assert gone(int(parent.stdout))


def gone(process: int, seconds: float = 20.0) -> bool:
    """Whether a process ends in time; one that nobody has collected yet counts as ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


class Project:
    """A project without resources, deployed by Pulumi's CLI with this language host."""

    def __init__(self, root: Path, language_host: Path) -> None:
        self.root = root / "project"
        self.root.mkdir()
        (root / "state").mkdir()
        self.set_environment(tools.ROOT / ".venv")
        self._pulumi = str(pulumi.find().folder / "pulumi")
        self.variables = {
            **os.environ,
            "PATH": f"{language_host}:{os.environ['PATH']}",
            "PULUMI_BACKEND_URL": f"file://{root / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_HOME": str(root / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }

    def set_environment(self, virtualenv: Path) -> None:
        runtime = {"name": "python", "options": {"toolchain": "pip", "virtualenv": str(virtualenv)}}
        project = {"name": "example", "runtime": runtime}
        (self.root / "Pulumi.yaml").write_text(json.dumps(project))

    def command(self, *words: str) -> list[str]:
        return [self._pulumi, *words, "--non-interactive"]

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*words),
            cwd=self.root,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def up(self, program: str) -> "subprocess.CompletedProcess[str]":
        (self.root / "__main__.py").write_text(program)
        return self.run("up", "--yes", "--skip-preview", "--stack", "dev")


@pytest.fixture
def project(tmp_path: Path, folder: Path) -> Project:
    made = Project(tmp_path, folder)
    created = made.run("stack", "init", "dev")
    assert created.returncode == 0, created.stderr
    return made


def test_a_program_gets_its_configuration_and_exports(project: Project) -> None:
    assert project.run("config", "set", "size", "3", "--stack", "dev").returncode == 0
    assert project.run("config", "set", "--secret", "key", "hush", "--stack", "dev").returncode == 0
    done = project.up(
        "import sys, pulumi\n"
        "config = pulumi.Config()\n"
        "pulumi.export('size', config.require_int('size'))\n"
        "pulumi.export('key', config.require_secret('key'))\n"
        "pulumi.export('python', sys.prefix)\n"
        "pulumi.export('stack', pulumi.get_stack())\n"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    outputs = json.loads(project.run("stack", "output", "--json", "--stack", "dev").stdout)
    wanted = str((tools.ROOT / ".venv").resolve())
    assert Path(outputs.pop("python")).resolve() == Path(wanted)
    assert outputs == {"size": 3, "key": "[secret]", "stack": "dev"}


def test_a_failing_program_is_explained_once(project: Project) -> None:
    done = project.up("raise ValueError('the true reason')\n")
    assert done.returncode != 0
    assert (done.stdout + done.stderr).count("ValueError: the true reason") == 1
    assert "the program ended with" not in done.stdout + done.stderr


def test_a_program_that_ends_itself_is_a_failure(project: Project) -> None:
    done = project.up("import os\nos._exit(3)\n")
    assert done.returncode != 0
    assert "the program ended with exit status 3" in done.stdout + done.stderr


def test_a_missing_environment_names_the_next_command(project: Project, tmp_path: Path) -> None:
    project.set_environment(tmp_path / "nothing")
    done = project.up("")
    assert done.returncode != 0
    reason = f"there is no Python environment at {tmp_path / 'nothing'} yet"
    assert f"{reason}; make it with: make setup" in done.stdout + done.stderr


def test_a_killed_cli_leaves_no_program_behind(project: Project, tmp_path: Path) -> None:
    (project.root / "__main__.py").write_text(
        "import os, pathlib, time\n"
        f"file = pathlib.Path({str(tmp_path / 'processes')!r})\n"
        "file.with_suffix('.part').write_text(f'{os.getpid()} {os.getppid()}')\n"
        "file.with_suffix('.part').rename(file)\n"
        "time.sleep(300)\n"
    )
    started = subprocess.Popen(
        project.command("up", "--yes", "--skip-preview", "--stack", "dev"),
        cwd=project.root,
        env=project.variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with started:
        until = time.monotonic() + 60
        while not (tmp_path / "processes").exists():
            assert time.monotonic() < until
            assert started.poll() is None
            time.sleep(0.05)
        started.send_signal(signal.SIGKILL)
    program, language_host = map(int, (tmp_path / "processes").read_text().split())
    assert gone(language_host)
    assert gone(program)
