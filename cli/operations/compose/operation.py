"""`aerodrome compose`, step by step: the configuration, the chart, the services, the folder."""

import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from cli.base import environments
from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.paths import ROOT
from cli.base.values import reveal
from cli.operations.compose import chart, readme, services, text
from cli.operations.compose.folder import COMPOSE, SECRETS, Change, ComposeFolder
from cli.session import Session
from infra.contract.configuration import SettingsError, load
from infra.contract.image_builds import build_arguments, proxy_arguments
from infra.contract.naming import Names
from infra.contract.secret_contents import (
    airflow_secrets,
    async_url,
    celery_secret,
    result_backend,
    sqlalchemy_url,
)
from infra.contract.secret_settings import Secrets
from infra.contract.settings import NAMESPACE, SETTINGS, Settings

FOLDER: Final = "compose"
"""In the project, which git ignores: a folder of each environment."""

_INSIDE: Final = {chart.API_SERVER: 8080, chart.FLOWER: 5555}
"""The ports that the containers listen on (the chart's)."""

_KEPT: Final = ".gitignore"

Contents = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Request:
    """What the command line asks for."""

    output: Path | None
    executor: str | None
    ui_port: int
    flower_port: int
    mount_dags: bool


@dataclass(frozen=True)
class Written:
    """What was written, and how it is used. No secret."""

    environment: str
    folder: str
    executor: str
    services: tuple[str, ...]
    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    start: str
    url: str
    flower_url: str
    user: str
    password_file: str

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def compose(session: Session, environment: Environment, request: Request) -> Written:
    """Writes the folder. UserError, with nothing changed, for whatever is wrong with the input."""
    folder = ComposeFolder(_place(environment, request.output))
    # The names that are always there: before anything is asked or rendered.
    folder.check({COMPOSE: "", readme.NAME: "", _KEPT: ""})
    values, notes = _configuration(session, environment)
    settings, secrets = _loaded(environment, values, folder)
    chosen = (
        chart.asked(request.executor, session.same)
        if request.executor
        else chart.choose(settings.executor)
    )
    if chosen.reason:
        notes.append(f"executor {chosen.executor}: {chosen.reason}")
    contents = _contents(settings, secrets)
    helm = chart.find_helm(lambda: session.machine().tool("helm"))
    computed = chart.values(settings, chosen.executor, mounted_dags=request.mount_dags)
    composed = services.compose(chart.render(helm, computed, chart.files(settings)), contents)
    if settings.pgbouncer:
        notes.append(
            "left out: PgBouncer; the processes of one machine connect to PostgreSQL themselves"
        )
    notes += [f"left out, for it needs Kubernetes: {what}" for what in composed.left_out]
    ports = _ports(composed, request)
    texts = _texts(settings, composed, contents, folder, ports, mounted=request.mount_dags)
    folder.check(texts)
    notes += _port_notes(ports, folder, session.same)
    changes = folder.write(texts)
    shown = _shown(folder.path)
    return Written(
        environment=environment.name,
        folder=shown,
        executor=chosen.executor,
        services=tuple(composed.services),
        changes=tuple(changes),
        notes=tuple(notes),
        start=f"docker compose --file {shown}/{COMPOSE} up --build --detach --wait",
        url=f"http://127.0.0.1:{request.ui_port}",
        flower_url=f"http://127.0.0.1:{request.flower_port}" if chart.FLOWER in ports else "",
        user=settings.admin_user,
        password_file=f"{shown}/{SECRETS}/{services.secret_file('admin', 'password')}",
    )


def _place(environment: Environment, output: Path | None) -> Path:
    return output.expanduser().absolute() if output else ROOT / FOLDER / environment.name


def _shown(path: Path) -> str:
    """The folder as it is typed where the command was called."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) and path != here else str(path)


def _configuration(session: Session, environment: Environment) -> tuple[dict[str, Any], list[str]]:
    """Configured values by full key, secrets in clear: of the environment, else of its base, else none."""
    for one in (environment, *([Environment(environment.base)] if environment.base else ())):
        if not one.config_file.exists():
            continue
        session.cloud(one).unlock()
        found = {key: reveal(value) for key, value in session.backend(one).config().items()}
        notes = [] if one == environment else [f"settings and secrets are those of {one.name}"]
        return found, notes
    if not environment.sandboxed:
        known = ", ".join(environments.known())
        raise UserError(
            f'Environment "{environment.name}" has no configuration here',
            f"There is no {environment.config_file.name}. Known are: {known}.",
            f"./aerodrome compose --env {environments.DEFAULT}",
        )
    return {}, [f'environment "{environment.name}" is not configured: defaults hold']


def _loaded(
    environment: Environment, values: Mapping[str, Any], folder: ComposeFolder
) -> tuple[Settings, Secrets]:
    """The configuration, with secrets that an earlier run made, and new ones where there are none."""
    secret_keys = {f"{NAMESPACE}:{key}" for key, one in SETTINGS.items() if one.secret}
    full = {key: str(value) for key, value in values.items()}
    full[f"{NAMESPACE}:environment"] = environment.name
    files = _files_of_secrets()
    for key, one in SETTINGS.items():
        # Checksums of Secrets replace pods, and here are none.
        if one.make is None or one.field not in files or full.get(f"{NAMESPACE}:{key}"):
            continue
        full[f"{NAMESPACE}:{key}"] = folder.secret(files[one.field]) or one.make()
    try:
        return load(full, secret_keys)
    except SettingsError as error:
        raise UserError(
            f'The configuration of "{environment.name}" is not valid',
            str(error),
            f"./aerodrome config list --all --env {environment.name}",
        ) from error


def _contents(settings: Settings, secrets: Secrets) -> Contents:
    """What the chart's Secrets hold, for servers that are services of the compose file."""
    names = Names(settings.environment)
    connection = sqlalchemy_url(chart.DATABASE, names.database, secrets.database_password)
    results = sqlalchemy_url(chart.DATABASE, names.results_database, secrets.celery_password)
    return {
        **airflow_secrets(settings, secrets, names, connection, async_url(connection)),
        "celery": celery_secret(secrets, names, chart.REDIS, result_backend(results)),
    }


def _files_of_secrets() -> dict[str, str]:
    """By the field of `Secrets` the file that holds its value as it is."""
    marked = Secrets(**{one.name: one.name for one in fields(Secrets)})
    contents = _contents(Settings(environment="x"), marked)
    return {
        value: services.secret_file(secret, key)
        for secret, content in contents.items()
        for key, value in content.items()
        if value in vars(marked)
    }


def _ports(composed: services.Composed, request: Request) -> dict[str, tuple[int, int]]:
    wanted = {chart.API_SERVER: request.ui_port, chart.FLOWER: request.flower_port}
    found = {
        name: (port, _INSIDE[name]) for name, port in wanted.items() if name in composed.services
    }
    if len({outside for outside, _ in found.values()}) < len(found):
        raise UserError(
            f"--ui-port and --flower-port are both {request.ui_port}",
            "Each needs a port of its own.",
        )
    return found


def _port_notes(
    ports: Mapping[str, tuple[int, int]], folder: ComposeFolder, same: str
) -> list[str]:
    """The ports that are taken now: by these services, or by somebody else."""
    options = {chart.API_SERVER: "--ui-port", chart.FLOWER: "--flower-port"}
    notes = []
    for name, (port, _) in ports.items():
        if _free(port):
            continue
        other = f"./aerodrome compose {options[name]} {port + 10}{same}"
        whose = "unless it is this environment's own" if folder.is_ours else "take another one"
        notes.append(f"port {port} of {name} is in use on this machine, {whose}: {other}")
    return notes


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _texts(
    settings: Settings,
    composed: services.Composed,
    contents: Contents,
    folder: ComposeFolder,
    ports: Mapping[str, tuple[int, int]],
    *,
    mounted: bool,
) -> dict[str, str]:
    builds = {
        image: text.Build(
            _from(folder.path, ROOT / "images" / image),
            build_arguments(settings, image) | proxy_arguments(settings),
        )
        for image in chart.IMAGES
    }
    dags = _from(folder.path, ROOT / "images" / "airflow" / "dags") if mounted else ""
    options = text.Options(settings.environment, builds, ports, dags)
    files = {
        f"{SECRETS}/{services.secret_file(secret, key)}": contents[secret][key]
        for secret, key in composed.secrets
    }
    return {
        COMPOSE: text.compose_file(composed, options),
        readme.NAME: readme.page(settings, ports, mounted=mounted),
        _KEPT: f"# {text.MARK}: secrets have no business in git.\n*\n",
        **files,
        **composed.files,
    }


def _from(folder: Path, target: Path) -> str:
    """`target` as seen from `folder`: a checkout that is moved as a whole keeps working."""
    return os.path.relpath(target, folder) if folder.is_relative_to(ROOT) else str(target)
