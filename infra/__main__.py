# ruff: noqa: E402 (the path comes before the imports)
"""Aerodrome: everything that one environment consists of. The lists are `dedicated.py` and `shared.py`."""

import gc
import sys
from pathlib import Path

# The SDKs make a million objects that all stay: looking for garbage among them is a fifth of the run.
gc.disable()

# Pulumi puts this folder first on the path. The modules are `infra.X` everywhere, so the project's root
# belongs there: otherwise each would exist twice, and one of ours could hide a library's.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from infra.contract.tenancy import Tenancy
from infra.stack import open_stack

stack = open_stack()
# Each imports what it deploys: a shared environment is there sooner without the rest.
if stack.settings.tenancy == Tenancy.dedicated:
    from infra import dedicated

    dedicated.deploy(stack)
else:
    from infra import shared

    shared.deploy(stack)
