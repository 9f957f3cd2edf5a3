"""Instance types that the region does not have: `account.json` takes them away from the sandbox's."""

from pathlib import Path

from sandbox.aws.standin import emulator
from sandbox.aws.standin.call import Call, Handler
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.instance_types import ALL, answer
from sandbox.aws.standin.services import Services
from tests.aws.standin.account import Account

UNNAMED = "m1.small"
"""What EC2 takes if a launch names no type."""


def register(services: Services) -> None:
    state = services.settings.state
    services.wrap("ec2", lambda inner: handler(inner, state))


def handler(inner: Handler, state: Path) -> Handler:
    async def answered(call: Call) -> Answer:
        missing = Account.read(state).missing_types
        kinds = [kind for kind in ALL if kind not in missing]
        return answer(call, kinds) or refusal(call, kinds) or await inner(call)

    return answered


def refusal(call: Call, kinds: list[str]) -> Answer | None:
    """EC2's error for an instance of a type that is not there."""
    if call.action == "RunInstances":
        kind = call.parameter("InstanceType")
        if kind != UNNAMED and kind and kind not in kinds:
            return emulator.ec2_error(
                "Unsupported",
                f"Your requested instance type ({kind}) is not supported in your requested "
                "Availability Zone.",
            )
    return None
