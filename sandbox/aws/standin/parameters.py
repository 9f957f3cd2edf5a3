"""SSM's public parameters that name machine images. They are nobody's: their ARNs have no account.

MiniStack knows one each of Amazon Linux 2023 and 2; programs also ask for arm64, minimal and
EKS's images. All lead to the same image of the emulator: there is no machine behind them.
"""

import re
from typing import Any

from sandbox.aws.standin import internals
from sandbox.aws.standin.call import Call, Handler, json_answer
from sandbox.aws.standin.emulator import Answer, region

MACHINE = r"(x86_64|arm64)"
PATTERNS = (
    rf"/aws/service/ami-amazon-linux-latest/al2023-ami(-minimal)?-kernel-(default|6\.\d+)-{MACHINE}",
    rf"/aws/service/eks/optimized-ami/1\.\d+/amazon-linux-2023/{MACHINE}/standard/recommended/"
    r"(image_id|image_name|release_version)",
)
IMAGE = "ami-0c2023a1b2c3d4e5f"
"""MiniStack's own Amazon Linux 2023, which DescribeImages and RunInstances know."""

VALUES = {"image_name": "amazon-eks-node-al2023-sandbox", "release_version": "sandbox"}


PUBLIC = "/aws/service/"


def handler(inner: Handler) -> Handler:
    internals.replace_json_resources("ssm", _resource)

    async def answer(call: Call) -> Answer:
        if call.action == "GetParameter":
            name = str(call.json().get("Name", ""))
            if any(re.fullmatch(pattern, name) for pattern in PATTERNS):
                return json_answer({"Parameter": _parameter(name)})
        return await inner(call)

    return answer


def _parameter(name: str) -> dict[str, Any]:
    return {
        "Name": name,
        "Type": "String",
        "Value": VALUES.get(name.rpartition("/")[2], IMAGE),
        "Version": 1,
        "LastModifiedDate": 1728518400,
        "ARN": _arn(name),
        "DataType": "text",
    }


def _arn(name: str) -> str:
    return f"arn:aws:ssm:{region()}::parameter{name}"


def _resource(action: str, body: dict[str, Any]) -> str | None:
    """What a policy is asked about."""
    name = str(body.get("Name", ""))
    return _arn(name) if action == "GetParameter" and name.startswith(PUBLIC) else None
