"""Session Manager, which MiniStack does not have: who may open a session with which instance by which document, and end it.

A session is a record: nobody connects. IAM is asked as Systems Manager asks it: about the document, about the instance with its
tags, and about a session that has its opener's name in its own.
"""

import itertools
import re
from typing import Any

from sandbox.aws.standin import emulator, internals
from sandbox.aws.standin.call import Call, Handler, json_answer
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.internals import records
from sandbox.aws.standin.services import Services

ACCOUNT = "000000000000"
SHELL = "SSM-SessionManagerRunShell"
_sessions: dict[str, str] = {}
"""The instance of each."""

_number = itertools.count(1)


def register(services: Services) -> None:
    internals.replace_json_resources("ssm", _resource)
    services.wrap("ssm", handler)


def handler(inner: Handler) -> Handler:
    async def answer(call: Call) -> Answer:
        asked = call.json() if call.action in ANSWERS else {}
        found = ANSWERS.get(call.action)
        return found(call, asked) if found else await inner(call)

    return answer


def _resource(action: str, body: dict[str, Any]) -> str | None:
    """What a policy is asked about first."""
    if action == "StartSession":
        return f"arn:aws:ssm:{emulator.region()}::document/{body.get('DocumentName') or SHELL}"
    if action == "TerminateSession":
        return f"arn:aws:ssm:{emulator.region()}:{ACCOUNT}:session/{body.get('SessionId')}"
    return None


def _start(call: Call, asked: dict[str, Any]) -> Answer:
    target = str(asked["Target"])
    instance = records("ec2").instances.get(target)
    if instance is None or instance["State"]["Name"] != "running":
        return emulator.error("TargetNotConnected", f"{target} is not connected.")
    keys = {f"aws:ResourceTag/{tag['Key']}": tag["Value"] for tag in _tags(target)}
    keys["ssm:SessionDocumentAccessCheck"] = "true"
    arn = f"arn:aws:ec2:{emulator.region()}:{ACCOUNT}:instance/{target}"
    refused = emulator.may(call.headers, "ssm:StartSession", arn, keys)
    if refused and not emulator.is_root(call.headers):
        return emulator.error("AccessDeniedException", refused)
    who = re.search(r"user/(\S+)", emulator.may(call.headers, "x:WhoAmI", "*", {}))
    session = f"{who[1] if who else 'root'}-{next(_number)}"
    _sessions[session] = target
    return json_answer(
        {"SessionId": session, "TokenValue": "token", "StreamUrl": "wss://ssmmessages.test"}
    )


def _end(_call: Call, asked: dict[str, Any]) -> Answer:
    _sessions.pop(str(asked["SessionId"]), None)
    return json_answer({"SessionId": asked["SessionId"]})


def _information(_call: Call, asked: dict[str, Any]) -> Answer:
    """Every instance that runs has an agent."""
    (only,) = asked["Filters"]
    running = [
        one
        for one in only["Values"]
        if records("ec2").instances.get(one, {}).get("State", {}).get("Name") == "running"
    ]
    return json_answer(
        {
            "InstanceInformationList": [
                {"InstanceId": one, "PingStatus": "Online"} for one in running
            ]
        }
    )


def _described(_call: Call, asked: dict[str, Any]) -> Answer:
    return json_answer(
        {"Sessions": [{"SessionId": key, "Target": at} for key, at in _sessions.items()]}
    )


def _tags(instance: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = records("ec2").tags.get(instance, [])
    return found


ANSWERS = {
    "StartSession": _start,
    "TerminateSession": _end,
    "DescribeInstanceInformation": _information,
    "DescribeSessions": _described,
}
