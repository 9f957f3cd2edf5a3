"""Which environment a verb is about: from options, variables and real git repositories."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from cli.app import Root
from cli.base.console import Console
from cli.base.environments import Environment
from cli.base.git import Checkout
from cli.commands.options import Json, on_environment
from cli.session import Session
from infra.contract.naming import branch_environment
from tests.unit.cli.repositories import VARIABLES, Repository

app = typer.Typer(name="aerodrome", cls=Root)


@app.callback()
def root() -> None:
    """More than one verb."""


@app.command("look")
@on_environment
def look(ctx: typer.Context, environment: Environment, json: Json = False) -> None:
    """Shows what it was called for."""
    session: Session = ctx.obj
    data = [environment.name, environment.branch, environment.base, session.same]
    session.console.result(data, lambda: session.console.line("|".join(data)))


class Here(Session):
    """A session in a folder of the test's."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Console(), {})
        self.folder = folder

    def checkout(self) -> Checkout:
        return Checkout(self.folder, VARIABLES)


class Look:
    """`aerodrome look` in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str, **variables: str) -> Result:
        session = Here(self.folder)
        return CliRunner().invoke(app, ["look", *arguments], obj=session, env=variables)

    def found(self, *arguments: str, **variables: str) -> list[str]:
        result = self(*arguments, **variables)
        assert result.exit_code == 0, result.output
        return result.stdout.rstrip("\n").split("|")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.made(tmp_path / "checkout")


@pytest.fixture
def see(repository: Repository) -> Look:
    return Look(repository.folder)


def _of(branch: str, base: str = "sandbox") -> list[str]:
    return [branch_environment(base, branch), branch, base]


def test_on_the_main_branch_it_is_the_base(see: Look) -> None:
    assert see.found() == ["sandbox", "", "", ""]
    assert see.found("--base", "dev") == ["dev", "", "", " --base dev"]
    assert see.found(AERODROME_BASE="dev") == ["dev", "", "", ""]


@pytest.mark.parametrize(
    "branch", ["feature/login", "🚀", "%$#!", "Fix", "a" * 200 + "/" + "b" * 99]
)
def test_on_another_branch_it_is_the_branch_s_own(
    repository: Repository, see: Look, branch: str
) -> None:
    repository.switch(branch)
    assert see.found() == [*_of(branch), ""]
    assert see.found("--base", "dev") == [*_of(branch, "dev"), " --base dev"]
    assert see.found(AERODROME_BASE="dev") == [*_of(branch, "dev"), ""]


def test_two_branches_that_differ_only_in_case_have_two(see: Look) -> None:
    small, large = see.found("--branch", "fix"), see.found("--branch", "FIX")
    assert small[0] != large[0]


def test_what_a_remote_calls_its_main_branch_has_none_of_its_own(
    repository: Repository, tmp_path: Path
) -> None:
    repository.switch("trunk")
    repository.git("clone", "--quiet", str(repository.folder), str(tmp_path / "clone"))
    assert Look(tmp_path / "clone").found() == ["sandbox", "", "", ""]


def test_a_worktree_has_its_own(repository: Repository, tmp_path: Path) -> None:
    repository.git("worktree", "add", "--quiet", "-b", "beside", str(tmp_path / "beside"))
    assert Look(tmp_path / "beside").found() == [*_of("beside"), ""]


def test_a_named_branch_goes_before_the_one_that_is_checked_out(
    repository: Repository, see: Look
) -> None:
    repository.switch("here")
    assert see.found("--branch", "it's") == [*_of("it's"), " --branch 'it'\"'\"'s'"]
    assert see.found("--branch", "main") == ["sandbox", "", "", " --branch main"]


def test_a_name_goes_before_every_branch(repository: Repository, see: Look) -> None:
    repository.switch("here")
    assert see.found("--env", "dev") == ["dev", "", "", " --env dev"]
    assert see.found(AERODROME_ENV="dev") == ["dev", "", "", ""]
    assert see.found("--env", "prod", AERODROME_ENV="dev") == ["prod", "", "", " --env prod"]


def test_a_branch_that_was_typed_goes_before_a_variable(see: Look) -> None:
    assert see.found("--branch", "one", AERODROME_ENV="dev")[:3] == _of("one")


def test_an_empty_variable_says_nothing(see: Look) -> None:
    assert see.found(AERODROME_ENV="", AERODROME_BASE="") == ["sandbox", "", "", ""]


def _refused(result: Result, *texts: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    for text in texts:
        assert text in result.stderr


def test_a_name_and_a_branch_are_one_too_many(see: Look) -> None:
    command = "./aerodrome look --branch 'a b'"
    _refused(see("--env", "dev", "--branch", "a b"), "Either --env or --branch", command)


def test_a_base_does_not_go_with_a_name(see: Look) -> None:
    _refused(see("--env", "one", "--base", "dev"), "--base", "./aerodrome look --env one")
    assert see.found("--env", "one", AERODROME_BASE="dev")[0] == "one"


@pytest.mark.parametrize("branch", ["", "/", "///", "a b", "-x", "..", "@{1}", "x.lock", "\n"])
def test_what_git_would_refuse_is_refused(see: Look, branch: str) -> None:
    _refused(see(f"--branch={branch}"), "is no name for a git branch")


def test_a_base_that_is_no_name(see: Look) -> None:
    _refused(see("--branch=x", "--base=Dev"), '"Dev" is no name for an environment')


def test_a_detached_head_says_what_to_type(repository: Repository, see: Look) -> None:
    repository.git("switch", "--quiet", "--detach")
    _refused(see(), "No git branch is checked out", "    ./aerodrome look --env sandbox")
    _refused(see("--base", "dev"), "    ./aerodrome look --env dev")
    assert see.found("--env", "sandbox")[0] == "sandbox"
    assert see.found("--branch", "one")[:3] == _of("one")


def test_no_repository_says_what_to_type(tmp_path: Path) -> None:
    outside = Look(tmp_path)
    _refused(outside(), "is not in a git repository", "    ./aerodrome look --env sandbox")
    assert outside.found("--env", "sandbox")[0] == "sandbox"
    assert outside.found("--branch", "one")[:3] == _of("one")


def test_the_three_options_are_where_the_environment_was(see: Look) -> None:
    names = [parameter.name for parameter in typer.main.get_command(app).commands["look"].params]  # type: ignore[attr-defined]
    assert names == ["env", "branch", "base", "json"]
