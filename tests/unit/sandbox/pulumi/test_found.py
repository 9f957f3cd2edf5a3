"""The machine's own Pulumi CLI is used if it can be; otherwise the one that set-up builds, and doctor says why."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import doctor as machine_checks
from sandbox import pulumi, tools

ENOUGH = "v99.0.0"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine whose PATH has one folder of its own, and on which set-up has built nothing."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("AERODROME_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    # Every folder that is asked for meanwhile is below this test's own.
    caches = [pulumi.look, *(each for each in vars(tools).values() if hasattr(each, "cache_clear"))]
    for cached in caches:
        cached.cache_clear()
    yield folder
    for cached in caches:
        cached.cache_clear()


def install(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(script)
    program.chmod(0o755)
    return program


def install_pulumi(folder: Path, version: str, language_host: bool = True) -> None:
    install(folder, "pulumi", f"#!/bin/sh\necho {version}\n")
    if language_host:
        install(folder, "pulumi-language-python", "#!/bin/sh\n")


def doctor() -> machine_checks.Check:
    found = machine_checks.checks(0, sandbox_up=True)
    return next(check for check in found if check.name == "pulumi")


def test_without_one_the_built_one_is_used() -> None:
    assert pulumi.look() is None
    assert pulumi.find().built
    assert pulumi.find().folder == tools.pulumi_dir()
    check = doctor()
    assert (check.ok, check.found) == (False, "not there yet: set-up builds it")
    assert check.fix == "make setup"


def test_the_built_one_has_a_home_of_its_own() -> None:
    made = pulumi.environment({"PATH": "/usr/bin"})
    path = made["PATH"].split(":")
    assert path[-1] == "/usr/bin"
    assert str(tools.pulumi_dir()) in path
    assert str(tools.kubernetes_plugin_dir()) in path
    assert "PULUMI_HOME" in made
    install_pulumi(tools.pulumi_dir(), "v0.0.0")
    check = doctor()
    version = tools.module_version("github.com/pulumi/pulumi/pkg/v3")
    assert (check.ok, check.found) == (True, f"{version}, built by set-up, in {tools.pulumi_dir()}")


def test_the_machines_own_is_used_with_its_home(machine: Path) -> None:
    install_pulumi(machine, ENOUGH)
    assert pulumi.find() == pulumi.Pulumi(machine, ENOUGH, built=False)
    made = pulumi.environment({"PATH": "/usr/bin"})
    assert "PULUMI_HOME" not in made
    # The sandbox's own `aws` comes before one in the CLI's folder.
    path = made["PATH"].split(":")
    assert path.index(str(tools.aws_cli_path())) < path.index(str(machine))
    check = doctor()
    assert (check.ok, check.found) == (True, f"{ENOUGH}, the machine's own, in {machine}")


def test_the_sdks_version_is_enough(machine: Path) -> None:
    install_pulumi(machine, pulumi.minimum())
    assert pulumi.on_path() is not None


def test_the_official_kubernetes_plugin_comes_before_a_built_one(
    machine: Path, tmp_path: Path
) -> None:
    install_pulumi(machine, ENOUGH)
    assert not pulumi.has_kubernetes_plugin()
    assert str(tools.kubernetes_plugin_dir()) in pulumi.environment()["PATH"]
    version = tools.sdk_version("pulumi-kubernetes")
    plugin = tmp_path / "home" / "plugins" / f"resource-kubernetes-v{version}"
    install(plugin, "pulumi-resource-kubernetes", "#!/bin/sh\n")
    assert pulumi.has_kubernetes_plugin()
    assert str(tools.kubernetes_plugin_dir()) not in pulumi.environment()["PATH"]


def test_a_language_host_elsewhere_on_the_path_will_do(machine: Path, tmp_path: Path) -> None:
    install_pulumi(machine, ENOUGH, language_host=False)
    assert isinstance(pulumi.look(), pulumi.Unfit)
    install(tmp_path / "other", "pulumi-language-python", "#!/bin/sh\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{machine}:{tmp_path / 'other'}")
        pulumi.look.cache_clear()
        assert pulumi.on_path() is not None


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("#!/bin/sh\necho v3.100.2\n", "version 3.100.2 is older than "),
        ("#!/bin/sh\necho broken >&2\nexit 1\n", "it does not say its version"),
        ("#!/bin/sh\necho hello\n", "it does not say its version"),
        ("no program", "it does not start: "),
        (f"#!/bin/sh\necho {ENOUGH}\n", "its language host for Python, "),
    ],
)
def test_one_that_cannot_be_used_is_named_with_the_reason(
    machine: Path, script: str, reason: str
) -> None:
    executable = install(machine, "pulumi", script)
    found = pulumi.look()
    assert isinstance(found, pulumi.Unfit)
    assert found.reason.startswith(reason)
    assert pulumi.find().built
    assert doctor().found.endswith(f"; {executable} is not used: {found.reason}")


def test_an_older_build_on_the_path_is_not_the_machines_own(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The shell has the sandbox's variables from before an update of the kit.
    older = tools.pulumi_dir().parent / "0123456789abcdef"
    install_pulumi(older, ENOUGH)
    monkeypatch.setenv("PATH", f"{older}:{machine}")
    assert pulumi.look() is None
    assert pulumi.find().folder == tools.pulumi_dir()
