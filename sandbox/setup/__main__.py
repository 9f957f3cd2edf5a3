"""`python3 -m sandbox.setup [--for-tests] [--] [COMMAND ...]`: set up what is missing, then become COMMAND.

With `--for-tests` also what only tests need and takes minutes to build. COMMAND finds the seconds that set-up took in AERODROME_SETUP_SECONDS.
"""

import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox import pulumi, tools
from sandbox.errors import KitError, UserError
from sandbox.instance import cache_dir
from sandbox.setup import base_image, chromium, debian, elasticsearch, go_tools, python_env, runner
from sandbox.setup.task import Log, Task, made_whole

_NEEDED_BYTES = 10 * 1024**3
_NEEDED_PYTHON = (3, 11)


FOR_TESTS = "--for-tests"


def tasks(*, for_tests: bool = False) -> list[Task]:
    """The tasks of set-up, in the order in which they are shown."""
    found = [
        Task("lists", "Debian package lists", _lists_not_needed, debian.update_lists),
        Task(
            "packages",
            "Debian packages",
            lambda: not debian.missing_packages(),
            debian.install,
            ["lists"],
        ),
        Task("uv", "uv", tools.uv_dir().is_dir, python_env.make_uv, ["packages"]),
        Task("python", "Python environment", _environment_ready, _make_environment, ["uv"]),
        Task("ministack", "AWS emulator", tools.ministack_dir().is_dir, _make_ministack, ["uv"]),
        Task("go", "Go toolchain", lambda: _go_ready(for_tests), go_tools.make_go, ["uv"]),
        Task(
            "tools",
            "Kubernetes, CoreDNS, Helm (7 minutes, once)",
            tools.tools_dir().is_dir,
            go_tools.build,
            ["go", "lists"],
        ),
        # One after the other: side by side they would compile what they share twice.
        Task("pulumi", "Pulumi (4 minutes, once)", _has_pulumi, go_tools.build_pulumi, ["tools"]),
        Task(
            "kubernetes-plugin",
            "Pulumi's kubernetes plugin (4 minutes, once)",
            _has_kubernetes_plugin,
            go_tools.get_kubernetes_plugin,
            ["pulumi"],
        ),
        Task("aws-cli", "AWS CLI", (tools.aws_cli_path() / "aws").exists, _make_aws_cli, ["uv"]),
        Task("checkers", "Checkers", tools.checkers_dir().is_dir, _unpack_checkers, ["lists"]),
        Task(
            "actionlint",
            "Checker of workflow files",
            tools.actionlint_dir().is_dir,
            go_tools.build_actionlint,
            ["go"],
        ),
        Task(
            "base-image",
            "Debian base image",
            tools.base_image_dir().is_dir,
            base_image.build,
            ["packages"],
        ),
    ]
    return [*found, *_only_for_tests()] if for_tests else found


def _only_for_tests() -> list[Task]:
    # They share much of what they compile.
    needed = ["go", "tools"]
    return [
        Task(
            "compose",
            "Docker's compose, for the tests (4 minutes, once)",
            tools.compose_dir().is_dir,
            go_tools.build_compose,
            needed,
        ),
        Task(
            "telegraf",
            "Telegraf, for the tests (a minute, once)",
            tools.telegraf_dir().is_dir,
            go_tools.build_telegraf,
            needed,
        ),
        Task(
            "shipper",
            "Log shipper, for the tests (a minute, once)",
            tools.shipper_dir().is_dir,
            go_tools.build_shipper,
            needed,
        ),
        Task(
            "karpenter",
            "Karpenter's charts, for the tests",
            tools.karpenter_dir().is_dir,
            go_tools.fetch_karpenter,
            ["go"],
        ),
        Task(
            "ingress",
            "Traefik and cert-manager, for the tests (4 minutes, once)",
            tools.ingress_dir().is_dir,
            go_tools.build_ingress,
            needed,
        ),
        Task(
            "karpenter-programs",
            "Karpenter and kwok, for the tests (3 minutes, once)",
            tools.karpenter_programs_dir().is_dir,
            go_tools.build_karpenter,
            needed,
        ),
        Task(
            "session-manager-plugin",
            "AWS's session-manager-plugin, for the tests (a minute, once)",
            tools.session_manager_plugin_dir().is_dir,
            go_tools.build_session_manager_plugin,
            needed,
        ),
        Task(
            "java",
            "Java and Maven, for the tests",
            elasticsearch.has_java,
            elasticsearch.install_java,
            ["packages"],
        ),
        # After the other one that installs packages: apt lets one at a time.
        Task("chromium", "Chromium, for the tests", chromium.is_there, chromium.install, ["java"]),
        Task(
            "elasticsearch",
            "Elasticsearch, for the tests",
            tools.elasticsearch_dir().is_dir,
            elasticsearch.fetch,
            ["java"],
        ),
    ]


def _lists_not_needed() -> bool:
    unpacked = tools.tools_dir().is_dir() and tools.checkers_dir().is_dir()
    return unpacked and not debian.missing_packages()


def _unpack_checkers(log: Log) -> None:
    with made_whole(tools.checkers_dir()) as folder:
        debian.unpack(log, tools.CHECKER_PACKAGES, folder / "debian")


def _has_pulumi() -> bool:
    return pulumi.find().there


def _has_kubernetes_plugin() -> bool:
    return pulumi.has_kubernetes_plugin() or tools.kubernetes_plugin_dir().is_dir()


def _go_ready(for_tests: bool) -> bool:
    own = [tools.tools_dir(), tools.actionlint_dir()]
    if for_tests:
        own += [
            tools.compose_dir(),
            tools.telegraf_dir(),
            tools.shipper_dir(),
            tools.karpenter_dir(),
            tools.ingress_dir(),
            tools.karpenter_programs_dir(),
            tools.session_manager_plugin_dir(),
        ]
    built = all(folder.is_dir() for folder in own)
    if built and _has_pulumi() and _has_kubernetes_plugin():
        return True
    return bool(go_tools.go_on_path()) or tools.go_dir().is_dir()


def _environment_ready() -> bool:
    return python_env.linked(tools.ROOT / ".venv", tools.environment_dir())


def _make_environment(log: Log) -> None:
    target = tools.environment_dir()
    if not target.is_dir():
        python_env.make_environment(log, target, "dev.txt")
        python_env.compile_bytecode(target, log)
    python_env.make_link(tools.ROOT / ".venv", target)


def _make_ministack(log: Log) -> None:
    target = tools.ministack_dir()
    python_env.make_environment(log, target, "ministack.txt")
    python_env.compile_bytecode(target, log)


def _make_aws_cli(log: Log) -> None:
    target = tools.aws_cli_dir()
    if not target.is_dir():
        python_env.make_environment(log, target, "aws.txt")
        python_env.compile_bytecode(target, log)
    # A folder of its own: the environment's would put another `python` on the PATH.
    tools.aws_cli_path().mkdir(exist_ok=True)
    (tools.aws_cli_path() / "aws").symlink_to(target / "bin" / "aws")


def check_machine() -> None:
    """UserError, before anything is changed, if set-up cannot succeed here."""
    if sys.version_info < _NEEDED_PYTHON:
        raise UserError(
            f"Python {sys.version_info[0]}.{sys.version_info[1]} is too old",
            "The kit needs Python 3.11, which is Debian 12's own.",
            "apt-get install python3",
        )
    if os.geteuid() != 0:
        raise UserError(
            "Set-up must run as root",
            "The sandbox makes namespaces, mounts and network interfaces of its own.",
            "sudo make up",
        )
    debian.check_debian()
    folder = cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < _NEEDED_BYTES:
        raise UserError(
            f"The disk of {folder} has only {free / 1024**3:.1f} GB free",
            "Tools, images and volumes need 10 GB.",
            f"df -h {folder}",
        )


@contextmanager
def only_one() -> Iterator[None]:
    """Two set-ups at once would build the same things over each other."""
    with (cache_dir() / "setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            runner.say("  another set-up is under way; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: list[str]) -> int:
    """Set up, and then run the command given, if any."""
    started = time.monotonic()
    for_tests = arguments[:1] == [FOR_TESTS]
    arguments = arguments[1:] if for_tests else arguments
    try:
        check_machine()
        with only_one():
            done = runner.run(tasks(for_tests=for_tests), cache_dir() / "logs")
    except KitError as error:
        runner.say(f"Error: {error}")
        return error.exit_code
    seconds = time.monotonic() - started
    if done:
        runner.say(f"Set-up: {seconds:.1f} s")
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if command:
        os.environ["AERODROME_SETUP_SECONDS"] = f"{seconds:.1f}"
        os.execvp(command[0], command)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
