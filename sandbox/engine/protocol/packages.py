"""Which provider versions a program's libraries ask for when a registration names none.

Pulumi's language host finds them the same way: every SDK brings a `pulumi-plugin.json`.
"""

import json
from pathlib import Path


def versions(python: Path) -> dict[str, str]:
    """The version of each package among the libraries of that Python: {"kubernetes": "4.34.2"}."""
    found = {}
    for file in python.parent.parent.glob("lib/python3*/site-packages/*/pulumi-plugin.json"):
        told = json.loads(file.read_text())
        if told.get("resource") and "version" in told:
            found[str(told["name"])] = str(told["version"])
    return found
