"""A state that an older version of the kit wrote, with a kubernetes provider of its own: as Pulumi's has it.

Up to 2026-11 the sandbox's provider kept what a Helm release was asked for as plain values. Pulumi's
own keeps that secret, and crashes over anything else (helm_release.go, parseCheckpointRelease).
"""

from collections.abc import Mapping
from typing import Any

from cli.stack.outputs import as_secret, is_marked, is_secret
from cli.stack.pending import RELEASE

_ASKED = "__inputs"


def adapted(deployment: Mapping[str, Any]) -> dict[str, Any] | None:
    """For `pulumi stack import`, which encrypts; None if there is nothing to adapt."""
    resources = [_adapted(item) for item in deployment.get("resources") or ()]
    if all(
        new is old for new, old in zip(resources, deployment.get("resources") or (), strict=True)
    ):
        return None
    return {**deployment, "resources": resources}


def _adapted(item: Mapping[str, Any]) -> Mapping[str, Any]:
    outputs: Mapping[str, Any] = item.get("outputs") or {}
    asked = outputs.get(_ASKED)
    if item.get("type") != RELEASE or not isinstance(asked, dict) or is_marked(asked):
        return item
    kept = {key: value for key, value in outputs.items() if key != _ASKED}
    if not is_secret(asked):
        kept[_ASKED] = as_secret(asked)
    return {**item, "outputs": kept}
