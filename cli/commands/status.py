"""`aerodrome status`: what is deployed, and whether it is healthy."""

from typing import Any

import typer

from cli.base import lifetime
from cli.base.environments import Environment
from cli.base.errors import KitError
from cli.commands.options import Json, on_environment
from cli.operations.live import Live
from cli.operations.rotation import ages
from cli.session import Session
from cli.stack import stack_config
from infra.contract.tenancy import Tenancy


@on_environment
def status(ctx: typer.Context, environment: Environment, json: Json = False) -> None:
    """Show what is deployed, and the health of Airflow.

    \b
    Example:
      aerodrome status
      aerodrome status --json
    """
    session: Session = ctx.obj
    cloud = session.cloud(environment)
    cloud.unlock()
    backend = session.backend(environment)
    deployed = backend.deployed()
    resources = backend.resources() if deployed else []
    data: dict[str, Any] = {
        "environment": environment.name,
        "deployed": deployed,
        "resources": len(resources),
        "accessKeys": [
            {key: told[key] for key in ("secret", "made", "days", "usedBy")}
            for one in ages.access_keys(resources)
            if (told := one.data(session.today()))
        ],
    }
    if sandbox := cloud.status():
        data["sandbox"] = sandbox
    if deployed and cloud.is_up():
        found = Live(session, environment, backend, backend.outputs())
        data |= _looked_into(found)
        data |= _rancher(found)
    session.console.result(data, lambda: _show(session, environment, data))


def _looked_into(found: Live) -> dict[str, Any]:
    try:
        addresses = list(found.addresses)
    except KitError as error:
        return {"airflow": {"error": error.summary}}
    plain = found.backend.plain()
    return {
        "tenancy": Tenancy.shared if found.shared else Tenancy.dedicated,
        "base": plain.get(stack_config.BASE_KEY, ""),
        "branch": plain.get(stack_config.BRANCH_KEY, ""),
        "expires": plain.get(stack_config.EXPIRES_KEY, lifetime.NEVER),
        "url": next(iter(addresses), ""),
        "nodeUrl": next(reversed(addresses), ""),
        "airflow": found.health(),
    }


def _rancher(found: Live) -> dict[str, Any]:
    """Rancher's agent in its cluster, if one was ever there."""
    from cli.operations.rancher import state

    if found.shared:
        # The cluster is its base's, whose status shows it.
        return {}
    try:
        agent = state.of_agent(found.kubernetes)
    except KitError:
        # What is wrong with the cluster is told with Airflow's health.
        return {}
    return {"rancher": agent} if agent else {}


def _show(session: Session, environment: Environment, data: dict[str, Any]) -> None:
    console = session.console
    state = f"deployed, {data['resources']} resources" if data["deployed"] else "not deployed"
    console.line(f"environment {environment.name}: {state}")
    for name, health in data.get("airflow", {}).items():
        console.line(f"  {name:<16} {health}", "" if health == "healthy" else "bold red")
    for key in data["accessKeys"]:
        age = "of unknown age" if key["days"] is None else f"{key['days']} days old"
        console.line(f"  access key       {key['secret']}: {age}, of {', '.join(key['usedBy'])}")
    if "url" in data:
        others = f"  (also {data['nodeUrl']})" if data["nodeUrl"] != data["url"] else ""
        console.line(f"  UI               {data['url'] or './aerodrome open'}{others}")
    if agent := data.get("rancher"):
        why = f": {agent['reason']}" if agent["reason"] else ""
        style = "" if agent["state"] == "healthy" else "bold red"
        console.line(f"  Rancher's agent  {agent['state']}, of {agent['server']}{why}", style)
    if data.get("branch") or data.get("base"):
        console.line(f"  branch           {data['branch']}, on {data['base'] or 'its own'}")
        console.line(f"  kept until       {data['expires']}")
    if "sandbox" in data:
        show_sandbox(session, data["sandbox"])


def show_sandbox(session: Session, sandbox: dict[str, Any]) -> None:
    """The sandbox's part."""
    console = session.console
    if not sandbox["up"]:
        console.line(f"sandbox {sandbox['name']}: not up")
        return
    gigabytes = sandbox["memoryBytes"] / 1024**3
    console.line(f"sandbox {sandbox['name']}: up, {gigabytes:.2f} GiB of memory")
    rows = [(p["name"], str(p["pid"]), p["state"]) for p in sandbox["processes"]]
    console.table(("process", "pid", "state"), rows)
