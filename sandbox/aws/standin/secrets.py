"""Secrets Manager: a secret that is made without a value has none. MiniStack gives it an empty version."""

import json

from sandbox.aws.standin.call import Call, Handler
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.internals import records

VALUES = ("SecretString", "SecretBinary")


def handler(inner: Handler) -> Handler:
    async def answer(call: Call) -> Answer:
        status, headers, body = await inner(call)
        asked = call.json()
        if call.action == "CreateSecret" and status < 300 and not asked.keys() & {*VALUES}:
            records("secretsmanager").secrets[asked["Name"]]["Versions"].clear()
            told = {key: value for key, value in json.loads(body).items() if key != "VersionId"}
            body = json.dumps(told).encode()
        return status, headers, body

    return answer
