"""EC2's client tokens: the same request a second time gets the first one's answer.

MiniStack makes a second resource. Whoever repeats a creation whose answer was lost, as SDKs do
by themselves, would have twins here and not on AWS.
"""

from collections import OrderedDict
from urllib.parse import parse_qs

from sandbox.aws.standin import emulator
from sandbox.aws.standin.call import Call
from sandbox.aws.standin.emulator import Answer

KEPT = 500

Key = tuple[str, str, str]


class Tokens:
    """The last answers to requests with a token, until the emulator ends."""

    def __init__(self) -> None:
        self._seen: OrderedDict[Key, tuple[dict[str, list[str]], Answer]] = OrderedDict()

    def answer(self, call: Call) -> Answer | None:
        """The former answer; AWS' error if the same token now asks for something else."""
        found = self._seen.get(_key(call))
        if found is None or not call.parameter("ClientToken"):
            return None
        if found[0] != _asked(call):
            return emulator.ec2_error(
                "IdempotentParameterMismatch",
                "The client token has been used with different parameters",
            )
        return found[1]

    def note(self, call: Call, answer: Answer) -> None:
        if answer[0] < 300 and call.parameter("ClientToken"):
            self._seen[_key(call)] = (_asked(call), answer)
            while len(self._seen) > KEPT:
                self._seen.popitem(last=False)


def _key(call: Call) -> Key:
    return emulator.region(), call.action, call.parameter("ClientToken")


def _asked(call: Call) -> dict[str, list[str]]:
    return call.query | parse_qs(call.body.decode("utf-8", "replace"))
