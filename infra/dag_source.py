"""Where Airflow has its DAG files from, as a part of charts/airflow: its values, and the login of a git repository."""

import json
from typing import Any, Final

import pulumi

from infra.contract import dag_sources
from infra.stack import Stack

KNOWN_HOSTS: Final = "/tmp/home/known_hosts"
"""Where pods have the keys of the repository's host."""


def dags_values(stack: Stack) -> dict[str, Any]:
    """The chart's value `dags`. The chart's own default is the image."""
    settings = stack.settings
    if settings.dags == dag_sources.S3:
        return {"dags": {"source": dag_sources.S3, "s3": {"prefix": stack.names.dags_prefix}}}
    if settings.dags == dag_sources.GIT:
        git = {
            "repository": settings.git_repository,
            "ref": settings.git_ref,
            "folder": settings.git_folder.strip("/"),
            "knownHosts": settings.git_known_hosts,
        }
        return {"dags": {"source": dag_sources.GIT, "git": git}}
    return {}


def git_secret(stack: Stack) -> dict[str, pulumi.Input[str]]:
    """The content of the chart's Secret `git`; nothing where no login is needed."""
    settings, secrets = stack.settings, stack.secrets
    if settings.dags != dag_sources.GIT or not (secrets.git_token or secrets.git_key):
        return {}
    connection: dict[str, Any] = {"conn_type": "git", "host": settings.git_repository}
    if secrets.git_key:
        connection["extra"] = {
            # ssh refuses one without the end of its last line, which `config set gitKey < FILE` takes away.
            "private_key": f"{secrets.git_key.strip()}\n",
            "known_hosts_file": KNOWN_HOSTS,
            # A host that is not known is refused: it would be shown the code's author's key, and give us its code.
            "strict_host_key_checking": "yes",
        }
    else:
        connection |= {"login": settings.git_user, "password": secrets.git_token}
    return {"connection": json.dumps(connection, sort_keys=True)}
