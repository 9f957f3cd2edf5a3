"""`python -m cli.policy_reference` writes docs/pipeline-deploy-policy.json: it may list what the catalogue lists."""

import json
import sys

from cli.base.paths import ROOT
from cli.cloud.catalogue import KINDS

FILE = ROOT / "docs" / "pipeline-deploy-policy.json"
LOOKS = "LookForWhatIsLeft"
"""The statement that lets `down` and `sweep` look. Its other actions are written by hand."""


def document() -> str:
    """The whole file."""
    policy = json.loads(FILE.read_text(encoding="utf-8"))
    (looks,) = (each for each in policy["Statement"] if each["Sid"] == LOOKS)
    wanted = {action for kind in KINDS for action in kind.actions}
    looks["Action"] = sorted({*looks["Action"], *wanted}, key=str.lower)
    return json.dumps(policy, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
