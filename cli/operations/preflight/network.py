"""The network's addresses: judged before the question whether a living network may be replaced by them."""

from cli.base.settings import qualified
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.preflight.refusal import Refusal
from infra.contract.settings import SETTINGS

SETTING = "vpcCidr"


def check(requested: RequestedSettings, deployed: str) -> Refusal | None:
    """`deployed`: the network that is there; empty if there is none."""
    text = requested.text(qualified(SETTING))
    if text is None:
        return None
    _, problem = SETTINGS[SETTING].parse(text)
    if not problem:
        return None
    what = f'The network of the environment is {deployed}. "{SETTING}"' if deployed else "It"
    return Refusal(
        f"{SETTING} is {text}",
        f"{what} {problem}.",
        SETTING,
        deployed or SETTINGS[SETTING].default,
    )
