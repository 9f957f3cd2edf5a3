"""`aerodrome status`: what is up, and how it feels."""

from typing import Any

import typer

from cli import deployment, stack_config
from cli.environments import Environment
from cli.options import Json, on_environment
from cli.session import Sandbox, Session
from sandbox.errors import KitError


@on_environment
def status(ctx: typer.Context, environment: Environment, json: Json = False) -> None:
    """Show what is up, and how Airflow feels.

    \b
    Example:
      aerodrome status
      aerodrome status --json
    """
    session: Session = ctx.obj
    sandbox = deployment.find(session) if environment.sandboxed else None
    if environment.sandboxed:
        stack_config.provide_passphrase(environment)
    backend = session.backend(environment, sandbox)
    deployed = backend.deployed()
    data: dict[str, Any] = {
        "environment": environment.name,
        "deployed": deployed,
        "resources": len(backend.resources()) if deployed else 0,
    }
    if environment.sandboxed:
        data["sandbox"] = sandbox_data(session)
    if sandbox is not None:
        url, node_url = deployment.urls(sandbox.instance)
        data |= {"url": url, "nodeUrl": node_url}
        if deployed:
            data["airflow"] = _airflow(session, sandbox)
    session.console.result(data, lambda: _show(session, environment, data))


def sandbox_data(session: Session) -> dict[str, Any]:
    """The sandbox as data."""
    found = session.machine().status(session.sandbox_name)
    return {
        "name": session.sandbox_name,
        "up": found.running,
        "memoryBytes": found.memory_bytes,
        "processes": [
            {"name": process.name, "pid": process.pid, "state": process.state}
            for process in found.processes
        ],
    }


def _airflow(session: Session, sandbox: Sandbox) -> dict[str, str]:
    url, _ = deployment.urls(sandbox.instance)
    try:
        with session.airflow(url, "", "", 0.0) as airflow:
            return airflow.health()
    except KitError as error:
        return {"error": str(error.summary)}


def _show(session: Session, environment: Environment, data: dict[str, Any]) -> None:
    console = session.console
    state = f"deployed, {data['resources']} resources" if data["deployed"] else "not deployed"
    console.line(f"environment {environment.name}: {state}")
    for name, health in data.get("airflow", {}).items():
        console.line(f"  {name:<16} {health}", "" if health == "healthy" else "bold red")
    if "url" in data and data["deployed"]:
        console.line(f"  UI               {data['url']}  (also {data['nodeUrl']})")
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
