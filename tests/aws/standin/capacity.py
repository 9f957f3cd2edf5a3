"""Capacity that the region does not have: `account.json` says of what, and fleets get none of it."""

from pathlib import Path

from sandbox.aws.standin import launch_rights, launches
from sandbox.aws.standin.call import Call, Handler
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.services import Services
from tests.aws.standin.account import Account

ASKED = "TargetCapacitySpecification.DefaultTargetCapacityType"


def register(services: Services) -> None:
    state = services.settings.state
    services.wrap("ec2", lambda inner: handler(inner, state))


def handler(inner: Handler, state: Path) -> Handler:
    async def answer(call: Call) -> Answer:
        if call.parameter(ASKED) not in Account.read(state).exhausted:
            return await inner(call)
        # Rights first, and a dry run asks for no capacity.
        return launch_rights.refusal(call) or launches.refusal(call) or launches.unfulfilled(call)

    return answer
