"""Who a task's pod is in AWS, where `access.yaml` gives owners of DAGs a role of their own: a service account by the DAG's owner.

Whose a DAG is follows from what the dag-processor has recorded, as for what the api-server gives the task (`aerodrome_tasks.py`).
"""

import os
from typing import Any

VARIABLE = "AERODROME_TASK_ACCOUNTS"
"""The environment variable with the owners, by name: `folders` and `prefixes`, and the `account` of those that have one."""


def of_task(key: Any) -> str:
    """The service account for a task of this key; empty if it is the one that all pods of tasks have otherwise."""
    if not (text := os.environ.get(VARIABLE)):
        return ""
    import aerodrome_owners
    import aerodrome_tasks

    owners = aerodrome_owners.declared(text)
    owner = aerodrome_tasks.Recorded(owners).owner(key.dag_id)
    return str(owners[owner].get(aerodrome_owners.ACCOUNT, "")) if owner else ""
