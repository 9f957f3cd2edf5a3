"""`aerodrome bootstrap`: what an AWS account needs before the first `up`, and the way back."""

from typing import Annotated

import typer

from cli.base import environments
from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.commands.options import Json
from cli.session import Session

Name = Annotated[str, typer.Argument(metavar="ENV", help="The environment to prepare.")]
Region = Annotated[
    str, typer.Option("--region", metavar="REGION", help="Its AWS region, such as eu-central-1.")
]
Profile = Annotated[
    str | None,
    typer.Option("--profile", envvar="AWS_PROFILE", help="The profile of AWS's configuration."),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="A setting, such as nodeMax=6. Can be repeated."
    ),
]
GitHub = Annotated[
    str,
    typer.Option(
        "--github",
        metavar="OWNER/REPO",
        help="Also create roles for this repository's workflows, to preview and deploy branches.",
    ),
]
Sandbox = Annotated[
    bool, typer.Option("--sandbox", help="Prepare an environment on this machine; no AWS.")
]
Remove = Annotated[
    bool,
    typer.Option(
        "--remove", help="Delete what bootstrap created, unless something still needs it."
    ),
]
EmptyBucket = Annotated[
    bool,
    typer.Option("--empty-bucket", help="With --remove: delete the history of the stacks, too."),
]
Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask for confirmation of the account.")
]


def bootstrap(  # noqa: PLR0913 (each option of a verb is an argument)
    ctx: typer.Context,
    env: Name,
    region: Region = "",
    profile: Profile = None,
    assignments: Assignments = None,
    github: GitHub = "",
    sandbox: Sandbox = False,
    remove: Remove = False,
    empty_bucket: EmptyBucket = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Prepare an AWS account for `up`, or this machine with --sandbox.

    First everything is checked, and nothing changed: tools, credentials, region, quotas. Then it
    creates what is missing: a bucket for the state, a key for the secrets, the stack with its
    configuration and secrets; with --github, an identity provider and two roles. The command can be
    repeated.

    \b
    Example:
      aerodrome bootstrap dev --region eu-central-1 --profile work
      aerodrome bootstrap dev --region eu-central-1 --github team/airflow
    """
    session: Session = ctx.obj
    environment = environments.environment(env)
    _check(environment, region, sandbox=sandbox, remove=remove, empty_bucket=empty_bucket)
    _check_github(github, sandbox=sandbox, remove=remove)
    if sandbox and remove:
        _remove_sandbox(session, environment)
    elif sandbox:
        _prepare_sandbox(session, environment, assignments or [])
    elif remove:
        _remove(session, environment, region, profile, empty_bucket=empty_bucket, yes=yes)
    else:
        _prepare(session, environment, region, profile, assignments or [], github, yes=yes)


def _check(
    environment: Environment, region: str, *, sandbox: bool, remove: bool, empty_bucket: bool
) -> None:
    """UserError if the options do not go together."""
    name = environment.name
    if environment.sandboxed and not sandbox:
        raise UserError(
            f'"{name}" is the name of an environment on this machine',
            "Names that begin with `sandbox` never go to AWS. To prepare it here:",
            f"./aerodrome bootstrap {name} --sandbox",
        )
    if sandbox and not environment.sandboxed:
        raise UserError(
            f'"{name}" is the name of an environment on AWS',
            "Environments on this machine are called `sandbox` or `sandbox-...`.",
            f"./aerodrome bootstrap sandbox-{name} --sandbox",
        )
    if not sandbox and not region:
        raise UserError(
            "Which region?",
            "An environment is in one region of AWS.",
            f"./aerodrome bootstrap {name} --region eu-central-1",
        )
    if empty_bucket and not remove:
        raise UserError("--empty-bucket goes with --remove", "Alone it would delete all state.")


def _check_github(github: str, *, sandbox: bool, remove: bool) -> None:
    if github and sandbox:
        raise UserError(
            "--github goes with AWS only", "No workflow reaches a sandbox on this machine."
        )
    if github and remove:
        raise UserError(
            "--github does not go with --remove", "--remove takes the pipeline's roles too."
        )


def _prepare(
    session: Session,
    environment: Environment,
    region: str,
    profile: str | None,
    assignments: list[str],
    github: str,
    *,
    yes: bool,
) -> None:
    # Imported late: they load the AWS SDK.
    from cli.operations.bootstrap.aws import Aws, refusals_explained
    from cli.operations.bootstrap.github import repository, set_up_commands
    from cli.operations.bootstrap.prepare import look, make

    console = session.console
    whose = repository(github) if github else None
    with refusals_explained(profile):
        plan = look(environment, Aws(region, profile), assignments, console.report, whose)
        where = f"account {plan.caller.account} ({plan.caller.arn}), region {region}"
        asked = f" and the workflows of {whose.claim}" if whose else ""
        _confirm(session, f'Prepare {where} for "{environment.name}"{asked}?', yes=yes)
        done = make(plan, lambda: session.backend(environment), console.report)

    def show() -> None:
        name = environment.name
        console.line(f'"{name}" is ready for its first `up`, in {where}', "bold green")
        console.line(f"state    {plan.place.backend}")
        console.line(f"secrets  {plan.place.secrets_provider}")
        console.line(f"settings Pulumi.{name}.yaml: commit it, its secrets are encrypted")
        console.line("\nNext:")
        if profile:
            console.line(f"    export AWS_PROFILE={profile}")
        console.line(f"    ./aerodrome cost {name}")
        console.line(f"    pulumi up -s {name}")
        if whose:
            console.line(f"\nThat lets both roles into the cluster. Then, in {whose.name}:")
            for command in set_up_commands(whose, plan.variables):
                console.line(f"    {command}")

    console.result(done.data(), show)


def _remove(
    session: Session,
    environment: Environment,
    region: str,
    profile: str | None,
    *,
    empty_bucket: bool,
    yes: bool,
) -> None:
    from cli.operations.bootstrap import prepare, removal, requested_settings
    from cli.operations.bootstrap.aws import Aws, refusals_explained
    from cli.operations.bootstrap.region import check_name

    console, name = session.console, environment.name
    with refusals_explained(profile):
        aws, wanted = Aws(region, profile), requested_settings.read(environment)
        check_name(aws, wanted, name)
        caller = prepare.who(aws, wanted, environment)
        where = f"account {caller.account} ({caller.arn}), region {region}"
        _confirm(session, f'Remove what bootstrap made for "{name}" in {where}?', yes=yes)
        done = removal.remove(
            environment, aws, caller, wanted, console.report, empty_bucket=empty_bucket
        )

    def show() -> None:
        console.line(f'nothing of "{name}" is left in {where}', "bold green")
        if done.bucket_kept:
            console.line(f"the bucket {done.bucket} is kept: {done.bucket_kept}")
        else:
            console.line(
                f"nor is the bucket; if you are logged in there: pulumi logout {done.backend}"
            )

    console.result(done.data(), show)


def _confirm(session: Session, question: str, *, yes: bool) -> None:
    if yes:
        return
    if not session.console.interactive:
        raise UserError(
            "The account is not confirmed",
            f"{question}\nThere is no terminal to ask on. If it is the right one, run the command with --yes.",
        )
    session.console.agree(question, "Nothing was changed.", "")


def _prepare_sandbox(session: Session, environment: Environment, assignments: list[str]) -> None:
    from cli.operations.bootstrap.sandbox import prepare

    added = prepare(session, environment, assignments)
    console = session.console

    def show() -> None:
        summary = f"{len(added)} setting(s) made" if added else "as it should be"
        console.line(f'"{environment.name}": {summary}, in {environment.config_file}', "bold green")
        console.line(f"Next:\n    ./aerodrome up --env {environment.name}")

    file = str(environment.config_file)
    console.result({"environment": environment.name, "file": file, "made": added}, show)


def _remove_sandbox(session: Session, environment: Environment) -> None:
    from cli.operations.bootstrap.sandbox import remove

    gone = remove(session, environment)
    console = session.console

    def show() -> None:
        console.line(f"removed: {', '.join(gone)}" if gone else "nothing was there")

    console.result({"environment": environment.name, "removed": gone}, show)
