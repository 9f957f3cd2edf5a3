"""Where Airflow looks for connections and variables before its own database: services of AWS, and the folder of each environment in them."""

import re
from typing import Final

from infra.contract.naming import PREFIX

NONE: Final = "none"
SECRETS_MANAGER: Final = "secretsmanager"
PARAMETER_STORE: Final = "parameterstore"
BACKENDS: Final = (NONE, SECRETS_MANAGER, PARAMETER_STORE)

BRANCHES: Final = f"{PREFIX}-branches"
"""The folder of all branches. No environment's own begins like it: a `/` ends the name before it."""

KEY_PATTERN: Final = re.compile(
    r"(arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key/(?:mrk-[0-9a-f]{32}|[0-9a-f-]{36}))?"
)


def folder(environment: str, base: str = "") -> str:
    """Where an environment has its secrets; `base` is that of a branch. `/` follows each name, and no name has one: whatever
    they are called, no folder is within another's, and none begins like another."""
    return f"{of_branches(base)}/{environment}" if base else f"{PREFIX}/{environment}"


def of_branches(base: str) -> str:
    """Where the branches of a base have theirs."""
    return f"{BRANCHES}/{base}"
