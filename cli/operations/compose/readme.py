"""The page beside a compose file: what to type next."""

from collections.abc import Mapping
from typing import Final

from cli.operations.compose import chart
from cli.operations.compose.folder import SECRETS
from cli.operations.compose.services import secret_file
from cli.operations.compose.text import MARK
from infra.contract.settings import Settings

NAME: Final = "README.md"

_PAGE: Final = """<!-- {mark}, and written anew by it. -->
# Airflow on this machine: environment {environment}

In this folder, with Docker; with Podman after `export DOCKER_HOST=unix:///run/podman/podman.sock`:

    docker compose up --build --detach --wait     # start; again after a change of images/
    docker compose ps                             # what runs
    docker compose logs --follow scheduler        # what one of them says
    docker compose exec scheduler entrypoint dags list
    docker compose down                           # stop; the data stays
    docker compose down --volumes                 # stop, and throw the data away

- UI: <http://127.0.0.1:{ui_port}>, user `{user}`, password: `cat {password}`
{flower}- DAGs: {dags}
- `compose.yaml` is written by `aerodrome compose`. Changes of your own belong into `compose.override.yaml` beside it.
- Secrets are the files in `{secrets}/`. A second run keeps them. Whoever has the folder has the secrets.
"""


def page(settings: Settings, ports: Mapping[str, tuple[int, int]], *, mounted: bool) -> str:
    """README.md."""
    flower = ""
    if chart.FLOWER in ports:
        url = f"http://127.0.0.1:{ports[chart.FLOWER][0]}"
        flower = f"- Flower (Celery's workers and tasks): <{url}>, the same login\n"
    dags = (
        "`images/airflow/dags` of the project, mounted: an edit shows within seconds"
        if mounted
        else "in the image. After an edit: `docker compose up --build --detach --wait`"
    )
    return _PAGE.format(
        mark=MARK,
        environment=settings.environment,
        ui_port=ports[chart.API_SERVER][0],
        user=settings.admin_user,
        password=f"{SECRETS}/{secret_file('admin', 'password')}",
        flower=flower,
        dags=dags,
        secrets=SECRETS,
    )
