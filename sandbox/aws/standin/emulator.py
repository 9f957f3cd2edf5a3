"""MiniStack through its public names: its application, services, state and policy evaluator.

What it does not offer, the kit takes from `internals`. Both are written for the release named here.
"""

import asyncio
import concurrent.futures
import contextlib
import importlib
import importlib.metadata
import json
import re
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import unquote, urlencode
from xml.sax.saxutils import escape

# These live in the emulator's own environment, where the type checker does not look.
from ministack import app  # type: ignore[import-not-found]
from ministack.core import (  # type: ignore[import-not-found]
    iam_evaluator,
    persistence,
    responses,
    router,
)

from sandbox.aws.standin.settings import RootKey
from sandbox.instance import ACCOUNT_ID, REGION

RELEASE = "1.5.33"
WORKER_THREADS = 16

Answer = tuple[int, dict[str, str], Any]
Raw = Callable[[str, str, dict[str, str], bytes, dict[str, list[str]]], Awaitable[Answer]]
"""MiniStack's own form of a handler: method, path, headers, body, query."""

application: Any = app.app
"""MiniStack's ASGI application."""


def release() -> str:
    return importlib.metadata.version("ministack")


def service(module: str) -> Any:
    """A service's module by MiniStack's name for it, such as `ec2` or `cloudwatch_logs`."""
    return importlib.import_module(f"ministack.services.{module}")


def handlers() -> dict[str, Raw]:
    """MiniStack's handler for each service; replacing one here replaces what it answers.

    A handler is called when the request is authenticated and authorized.
    """
    found: dict[str, Raw] = app.SERVICE_HANDLERS
    return found


def register_root(root: RootKey) -> None:
    """Make the account's root a session like any other, so that its signature is checked."""
    service("sts").register_session(
        root.access_key_id,
        {
            "Arn": f"arn:aws:iam::{ACCOUNT_ID}:root",
            "UserId": ACCOUNT_ID,
            "SecretAccessKey": root.secret_access_key,
            "SessionToken": None,
            "AccountId": ACCOUNT_ID,
            "PrincipalType": "Root",
        },
    )


def is_root(headers: dict[str, str]) -> bool:
    """Whether the account's root signed a request."""
    caller = iam_evaluator.resolve_caller_identity(router.extract_access_key_id(headers))
    return caller is not None and str(caller["userArn"]).endswith(":root")


def may(headers: dict[str, str], action: str, resource: str, keys: dict[str, Any]) -> str:
    """Why whoever signed a request may not do one thing more that it takes; empty if it is allowed."""
    signer = router.extract_access_key_id(headers)
    service_name = action.partition(":")[0]
    denied = iam_evaluator.enforce(
        signer, action, service_name, region(), resource_arn=resource, service_context=keys
    )
    if denied is None:
        return ""
    who = getattr(denied, "principal_arn", "") or signer
    return f"User: {who} is not authorized to perform: {action} on resource: {resource}"


def start() -> None:
    """Do what MiniStack's own start does, less the schedulers and listeners that nobody needs."""
    asyncio.get_running_loop().set_default_executor(
        concurrent.futures.ThreadPoolExecutor(WORKER_THREADS, thread_name_prefix="ministack-worker")
    )
    for name in app.SERVICE_REGISTRY:
        key, module = _state(name)
        stored = persistence.load_state(key)
        if stored:
            service(module).load_persisted_state(stored)


def _state(name: str) -> tuple[str, str]:
    """MiniStack's name for a service's part of the state, and the module that has it."""
    entry = app.SERVICE_REGISTRY[name]
    return str(entry.get("state_key", entry["module"])), str(entry["module"])


def save(name: str) -> None:
    """Write one service's state to disk."""
    key, module = _state(name)
    persistence.save_all({key: service(module).get_state})


def save_everything() -> None:
    for name in handlers().keys() & app.SERVICE_REGISTRY.keys():
        # A module that nobody has called yet has no state; importing it takes time and memory.
        if f"ministack.services.{_state(name)[1]}" in sys.modules:
            save(name)


def read_state(name: str) -> Any:
    return persistence.load_state(name)


def write_state(name: str, state: dict[str, Any]) -> None:
    persistence.save_state(name, state)


@contextlib.contextmanager
def scope(account: str = ACCOUNT_ID, region: str = REGION) -> Iterator[None]:
    """Look into the stores of one account and region, outside a request."""
    with responses.request_scope(account, region):
        yield


def account() -> str:
    """The caller's, within a request; every store that we read is scoped by it."""
    return str(responses.get_account_id())


def region() -> str:
    return str(responses.get_region())


def policy_document(stored: str | dict[str, Any]) -> dict[str, Any]:
    """A policy as MiniStack keeps it: text, sometimes still URL-encoded, or parsed."""
    if isinstance(stored, dict):
        return stored
    parsed = json.loads(stored if stored.lstrip().startswith("{") else unquote(stored))
    return parsed if isinstance(parsed, dict) else {}


def trust_allows(
    trust_policy: str | dict[str, Any], caller: str, action: str, role: str, keys: dict[str, Any]
) -> bool:
    """Whether a role's trust policy lets `caller` do `action`, with these condition keys."""
    context = iam_evaluator.EvalContext(
        principal_arn=caller,
        principal_type="Service",
        principal_account=account(),
        action=action,
        resource_arn=role,
        region=region(),
        service_context=keys,
    )
    return bool(iam_evaluator.evaluate_trust_policy(trust_policy, caller, context))


def new_session(
    role: dict[str, Any], name: str, tags: dict[str, str], seconds: int
) -> dict[str, str]:
    """Temporary credentials of a role: access_key_id, secret_access_key, session_token, arn, id."""
    session = {
        "access_key_id": f"ASIA{secrets.token_hex(8).upper()}",
        "secret_access_key": secrets.token_urlsafe(30),
        "session_token": secrets.token_urlsafe(150),
        "arn": f"arn:aws:sts::{account()}:assumed-role/{role['RoleName']}/{name}",
        "id": f"{role['RoleId']}:{name}",
    }
    service("sts").register_session(
        session["access_key_id"],
        {
            "Arn": session["arn"],
            "UserId": session["id"],
            "SecretAccessKey": session["secret_access_key"],
            "SessionToken": session["session_token"],
            "Expiration": time.time() + seconds,
            "AccountId": account(),
            "PrincipalType": "AssumedRole",
            "SessionTags": [{"Key": key, "Value": value} for key, value in tags.items()],
            "SessionPolicies": None,
        },
    )
    return session


async def new_security_group(name: str, description: str, vpc: str, tag: tuple[str, str]) -> str:
    """Create a security group that a service makes for itself; its id."""
    form = {
        "Action": "CreateSecurityGroup",
        "GroupName": name,
        "GroupDescription": description,
        "VpcId": vpc,
        "TagSpecification.1.ResourceType": "security-group",
        "TagSpecification.1.Tag.1.Key": tag[0],
        "TagSpecification.1.Tag.1.Value": tag[1],
    }
    body = urlencode(form).encode()
    status, _, answer = await service("ec2").handle_request("POST", "/", {}, body, {})
    text = answer if isinstance(answer, str) else answer.decode()
    found = re.search("<groupId>(sg-[^<]+)</groupId>", text)
    if status >= 300 or found is None:
        raise RuntimeError(f"MiniStack did not make a security group: {text}")
    return found[1]


def policy_exists(arn: str) -> bool:
    return bool(service("iam").policy_known(arn))


def error(code: str, message: str, status: int = 400) -> Answer:
    """An error as the REST-JSON and JSON services have it."""
    body = {"__type": code, "message": message}
    headers = {"Content-Type": "application/json", "x-amzn-errortype": code}
    return status, headers, json.dumps(body).encode()


def query_error(code: str, message: str, status: int = 400) -> Answer:
    """An error as the query protocol of IAM, STS and load balancing has it."""
    found: Answer = responses.error_response_xml(code, message, status, "")
    return found


def ec2_error(code: str, message: str, status: int = 400) -> Answer:
    """An error as EC2 has it."""
    error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    body = f"<Response><Errors>{error}</Errors><RequestID>sandbox</RequestID></Response>"
    return status, {"Content-Type": "text/xml"}, body.encode()
