"""Write down which database schema this image needs, as {version table: [revisions]}.

Runs while the image is built. `wait_for_schema.py` reads the file when a pod starts, so that
a pod need not load Airflow (a second of CPU time each) only to learn what it waits for.
"""

import json
import os
import sys
from pathlib import Path

from schema_versions import histories


def needed_revisions() -> dict[str, list[str]]:
    """The heads of Airflow's own migrations and of those of each provider that has some."""
    return {table: sorted(history.get_heads()) for table, history in histories().items()}


def main(arguments: list[str]) -> int:
    """`record_schema.py FILE`."""
    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = "sqlite:////tmp/record_schema.db"
    os.environ["AIRFLOW__CORE__AUTH_MANAGER"] = (
        "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
    )
    Path(arguments[0]).write_text(json.dumps(needed_revisions(), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
