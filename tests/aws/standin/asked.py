"""What IAM was asked and said, for tests that look at it: a line for each question in `asked.jsonl` of the
emulator's state, once a test has made that file."""

import json
import time
from typing import Any

from ministack.core import iam_evaluator

from sandbox.aws.standin.services import Services

FILE = "asked.jsonl"


def register(services: Services) -> None:
    """Wraps MiniStack's one judge, which the sandbox's own questions go to as well."""
    path, judge = services.settings.state / FILE, iam_evaluator.enforce

    def enforce(
        key: str, action: str, service: str, region: str, resource_arn: str = "*", **more: Any
    ) -> Any:
        denied = judge(key, action, service, region, resource_arn=resource_arn, **more)
        if path.exists():
            line = {
                "time": time.time(),
                "key": key,
                "action": action,
                "resource": resource_arn,
                "allowed": denied is None,
            }
            with path.open("a") as log:
                log.write(json.dumps(line) + "\n")
        return denied

    iam_evaluator.enforce = enforce
