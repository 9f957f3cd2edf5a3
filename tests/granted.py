"""Which actions of a policy some work needs, found in one run of it.

Nothing is allowed at first. Each refusal is answered by giving back the action that it names, and the same call is made
again: what was given back is needed, for without it, and with everything else that would do, a call was refused.
"""

import copy
import re
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

Action = tuple[str, str]
"""The statement that it is in, and its name."""

REFUSAL = re.compile("not authorized|AccessDenied|UnauthorizedOperation|Forbidden")
NAMED = re.compile(r"not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)")
UNNAMED = {"HeadBucket": "s3:ListBucket"}
"""What is refused without a word, by the call."""


def actions(policy: Mapping[str, Any]) -> list[Action]:
    """Every action with the statement that it is in."""
    return [(one["Sid"], action) for one in policy["Statement"] for action in one["Action"]]


def only(policy: Mapping[str, Any], kept: Collection[Action]) -> dict[str, Any]:
    """The policy with these actions alone, each in its own statement."""
    left = copy.deepcopy(dict(policy))
    for one in left["Statement"]:
        one["Action"] = [action for action in one["Action"] if (one["Sid"], action) in kept]
    left["Statement"] = [one for one in left["Statement"] if one["Action"]]
    return left


@dataclass
class Granted:
    """What a role or user has been given of its policy; `allow` gives it one instead of the former."""

    policy: Mapping[str, Any]
    allow: Callable[[dict[str, Any]], None]
    given: set[Action]
    needed: set[Action] = field(default_factory=set)
    refusals: list[ClientError] = field(default_factory=list)
    tried: Counter[Action] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        sids = [one["Sid"] for one in self.policy["Statement"]]
        assert len(sids) == len(set(sids))
        self._allow(self.given)

    def _allow(self, kept: Collection[Action]) -> None:
        # A policy must not be empty.
        nothing = {"Sid": "Nothing", "Effect": "Deny", "Action": ["none:None"], "Resource": "*"}
        left = only(self.policy, kept)
        self.allow({**left, "Statement": [*left["Statement"], nothing]})

    def watch(self, client: Any) -> Any:
        """The client, whose calls are made again when what was refused has been given."""
        call = client._make_api_call

        def answered(*arguments: Any) -> Any:
            with self.lock:
                return self._answered(lambda: call(*arguments))

        client._make_api_call = answered
        return client

    def _answered(self, call: Callable[[], Any]) -> Any:
        while True:
            try:
                return call()
            except ClientError as error:
                candidates = self._candidates(error)
                if not candidates:
                    raise
                self.refusals.append(error)
            # What was tried least: a call that goes through says nothing, and the next one is to.
            one = min(sorted(candidates), key=lambda each: self.tried[each])
            self.tried[one] += 1
            if len(candidates) > 1:
                # All that could allow it, but this: is it refused even so?
                self._allow(self.given | (candidates - {one}))
                try:
                    return call()
                except ClientError as error:
                    if one not in self._candidates(error):
                        raise
                finally:
                    self._allow(self.given)
            self.needed.add(one)
            self.given.add(one)
            self._allow(self.given)

    def _candidates(self, error: ClientError) -> set[Action]:
        """What has not been given and may be what a call lacks; nothing if it was not refused."""
        if not REFUSAL.search(str(error)):
            return set()
        named = NAMED.search(str(error))
        name = named.group(1) if named else UNNAMED.get(error.operation_name)
        assert name, error
        return {one for one in actions(self.policy) if one[1] == name} - self.given
