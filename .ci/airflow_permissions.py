# ruff: noqa: E402 (the environment comes before the imports)
"""Prints the permissions and the roles that the installed Airflow makes, as JSON for `infra/user_access.py`.

Run by `.ci/airflow-options` in an environment that holds what the image's lock holds. A database of its own is
migrated for it, and asked: the list of views that have permissions is nowhere else.
"""

import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable

for name in [name for name in os.environ if name.startswith("AIRFLOW__")]:
    del os.environ[name]
HOME = tempfile.TemporaryDirectory()
os.environ |= {
    "AIRFLOW_HOME": HOME.name,
    "AIRFLOW__CORE__AUTH_MANAGER": (
        "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
    ),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME.name}/airflow.db",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
}

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils.db import upgradedb

FAB = "apache-airflow-providers-fab"


def by_resource(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Actions by what they are done to."""
    found: dict[str, set[str]] = defaultdict(set)
    for action, resource in pairs:
        found[resource].add(action)
    return {resource: sorted(found[resource]) for resource in sorted(found)}


def document() -> dict[str, object]:
    """All of it."""
    from importlib import metadata

    upgradedb()
    with get_application_builder() as builder:
        builder.add_permissions(update_perms=True)
        builder.sm.sync_roles()
        roles = {
            role.name: by_resource((one.action.name, one.resource.name) for one in role.permissions)
            for role in sorted(builder.sm.get_all_roles(), key=lambda role: role.name)
        }
        return {
            "versions": {FAB: metadata.version(FAB)},
            "permissions": by_resource(builder.sm.get_all_permissions()),
            "roles": roles,
        }


if __name__ == "__main__":
    text = json.dumps(document(), indent=1)
    sys.stdout.write(text + "\n")
