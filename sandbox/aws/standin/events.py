"""EventBridge: rules of the default bus and their targets. What else there is no inventory would list: refused."""

from sandbox.aws.standin import emulator
from sandbox.aws.standin.call import Call, Handler
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.internals import records

SERVED = frozenset(
    {
        "DeleteRule",
        "DescribeRule",
        "ListRules",
        "ListTagsForResource",
        "ListTargetsByRule",
        "PutEvents",
        "PutRule",
        "PutTargets",
        "RemoveTargets",
        "TagResource",
        "UntagResource",
    }
)


def handler(inner: Handler) -> Handler:
    async def answer(call: Call) -> Answer:
        return refusal(call) or await inner(call)

    return answer


def refusal(call: Call) -> Answer | None:
    """The error for what is not served, and EventBridge's own for a rule that still has targets."""
    if call.action not in SERVED:
        return emulator.error(
            "InvalidParameterException", f"The sandbox's EventBridge does not have {call.action}"
        )
    asked = call.json()
    bus = str(asked.get("EventBusName") or "default")
    if bus != "default":
        return emulator.error(
            "ResourceNotFoundException", f"The sandbox's EventBridge has no bus {bus}"
        )
    if call.action == "DeleteRule" and records("eventbridge").targets.get(
        f"{bus}|{asked.get('Name')}"
    ):
        return emulator.error("ValidationException", "Rule can't be deleted since it has targets.")
    return None
