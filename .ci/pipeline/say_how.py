"""What `aerodrome up --json` said, as a comment for a pull request: from standard input to standard output."""

import json
import shlex
import sys
from typing import Any

FAILED = "### The environment did not come up\n\n{summary}\n\n~~~~text\n{detail}\n~~~~\n"
UP = (
    "### Airflow for this branch: `{environment}`\n\n{address}\n\n"
    "Password: `./aerodrome config get adminPassword --show {branch}`. "
    "Kept until {expires}, longer if it is used.\n"
)
NO_ADDRESS = "It has no public address. From a checkout:\n\n    ./aerodrome open {branch}"


def comment(text: str, branch: str) -> str:
    """The comment for what `up` said."""
    try:
        told: dict[str, Any] = json.loads(text)
    except ValueError:
        return FAILED.format(summary="`aerodrome up` ended without a word.", detail=text)
    if "error" in told:
        return FAILED.format(**told["error"])
    chosen = f"--branch {shlex.quote(branch)}"
    address = f"<{told['url']}>" if told["url"] else NO_ADDRESS.format(branch=chosen)
    return UP.format(
        environment=told["environment"], address=address, branch=chosen, expires=told["expires"]
    )


if __name__ == "__main__":
    sys.stdout.write(comment(sys.stdin.read(), sys.argv[1]))
