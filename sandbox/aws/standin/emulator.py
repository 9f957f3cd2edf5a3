"""The only module that knows MiniStack's internals; written for release 1.5.33.

Everything here is a thin name for something inside MiniStack, so that a new release of it is
checked in one place. `prepare` must run before the first request.
"""

import asyncio
import base64
import concurrent.futures
import contextlib
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

# These live in the emulator's own environment, where the type checker does not look.
import ministack.app as _app  # type: ignore[import-not-found]
from ministack.core import (  # type: ignore[import-not-found]
    iam_actions,
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

application: Any = _app.app
"""MiniStack's ASGI application."""


def release() -> str:
    return str(_app._version())


def prepare(root: RootKey) -> None:
    """Replace MiniStack's unchecked root keys by one real key pair.

    MiniStack takes the key `test`, every 12-digit key and an unsigned S3 request for the
    account's root, without looking at the signature. Here root is a session like any other,
    so that its signature is checked, and no other key is special.
    """
    iam_evaluator.is_root_access_key = _nobody
    sessions = service("sts")
    sessions.is_root_access_key = _nobody
    sessions._sessions[root.access_key_id] = {
        "Arn": f"arn:aws:iam::{ACCOUNT_ID}:root",
        "UserId": ACCOUNT_ID,
        "SecretAccessKey": root.secret_access_key,
        "SessionToken": None,
        "AccountId": ACCOUNT_ID,
        "PrincipalType": "Root",
    }


def _nobody(_access_key_id: str) -> bool:
    return False


def service(module: str) -> Any:
    """A service's module by MiniStack's name for it, such as `ec2` or `cloudwatch_logs`."""
    return _app._get_module(module)


def handlers() -> dict[str, Raw]:
    """MiniStack's handler for each service; replacing one here replaces what it answers.

    A handler is called when the request is authenticated and authorized.
    """
    found: dict[str, Raw] = _app.SERVICE_HANDLERS
    return found


def state_key(service_name: str) -> str:
    """MiniStack's name for a service's part of the state."""
    entry = _app.SERVICE_REGISTRY[service_name]
    return str(entry.get("state_key", entry["module"]))


def add_service(name: str, handler: Raw, botocore: str = "") -> None:
    """Serve one more service. `name` is its name in signatures and policies, and botocore's too
    unless that is another one."""
    router.SERVICE_PATTERNS[name] = {"credential_scope": name}
    iam_actions.SERVICE_TO_IAM_NAMESPACE[name] = name
    iam_actions._BOTOCORE_SERVICE_MAP[name] = [botocore or name]
    handlers()[name] = handler


def replace_resources(name: str, resource_of: Callable[[str], str | None]) -> None:
    """Say for a REST service which ARN a path is about; MiniStack's answer where it says None."""
    _replace_resources(name, lambda path, *_: resource_of(path))


def replace_json_resources(
    name: str, resource_of: Callable[[str, dict[str, Any]], str | None]
) -> None:
    """Say for a JSON service which ARN a call is about, from its action and its body."""

    def found(_path: str, headers: dict[str, str], body: bytes, _query: Any) -> str | None:
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        with contextlib.suppress(ValueError):
            return resource_of(action, json.loads(body or b"{}"))
        return None

    _replace_resources(name, found)


def replace_query_resources(
    name: str, resource_of: Callable[[Mapping[str, str]], str | None]
) -> None:
    """Say for a service of the query protocol which ARN a call is about, from its parameters."""
    _replace_resources(name, lambda _path, _headers, _body, query: resource_of(_parameters(query)))


def _replace_resources(name: str, own: Callable[..., str | None]) -> None:
    """`own` is asked with path, headers, body and parameters."""
    original = iam_actions.extract_resource_arn

    def found(called: str, method: str, path: str, *more: Any) -> str:
        ours = own(path, *more[:3]) if called == name else None
        return str(ours or original(called, method, path, *more))

    iam_actions.extract_resource_arn = found


def add_condition_keys(
    name: str, conditions_of: Callable[[Mapping[str, str]], dict[str, Any]]
) -> None:
    """Let policies use a service's own condition keys, from a call's parameters."""
    original = iam_actions.request_tag_context

    def found(called: str, action: str, body: bytes, parameters: Any) -> dict[str, Any]:
        own = conditions_of(_parameters(parameters)) if called == name else {}
        return {**original(called, action, body, parameters), **own}

    iam_actions.request_tag_context = found


def _parameters(given: Mapping[str, Any]) -> dict[str, str]:
    """The first value of each parameter."""
    return {key: str(v[0] if isinstance(v, list) else v) for key, v in given.items() if v}


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


def add_resource_tags(
    services: Iterable[str], collect: Callable[[str], Iterable[tuple[str, dict[str, str]]]]
) -> None:
    """Let policies use `aws:ResourceTag` for more services than MiniStack does."""
    sources = service("tagging")._RESOURCE_TAG_COLLECTORS
    for name in services:
        sources[name] = _tag_source(name, collect)


def _tag_source(
    name: str, collect: Callable[[str], Iterable[tuple[str, dict[str, str]]]]
) -> Callable[[], Iterator[tuple[str, list[dict[str, str]]]]]:
    def pairs() -> Iterator[tuple[str, list[dict[str, str]]]]:
        for arn, tags in collect(name):
            yield arn, [{"Key": key, "Value": value} for key, value in tags.items()]

    return pairs


def start() -> None:
    """What MiniStack's own start does, less the schedulers and listeners that nobody needs."""
    loop = asyncio.get_running_loop()
    _app._MAIN_LOOP = loop
    loop.set_default_executor(
        concurrent.futures.ThreadPoolExecutor(WORKER_THREADS, thread_name_prefix="ministack-worker")
    )
    _app._load_persisted_state()


def save(state_key: str) -> None:
    """Write one service's state to disk."""
    saved = _app._build_persistence_save_dict()
    if state_key in saved:
        persistence.save_all({state_key: saved[state_key]})


def save_everything() -> None:
    persistence.save_all(_app._build_persistence_save_dict())


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


@dataclass(frozen=True)
class Principal:
    """Who signed an EKS token."""

    arn: str
    unique_id: str


def verify_eks_token(token: str, cluster: str) -> Principal | None:
    """Whose token it is, if it is well signed, fresh and made for `cluster`."""
    credential = service("eks")._verify_eks_token(token, cluster)
    if credential is None:
        return None
    return Principal(credential.principal_arn, credential.principal_id or credential.principal_arn)


@dataclass(frozen=True)
class _SignedHere:
    """The address that a token was signed for, in the form that MiniStack checks STS's own."""

    netloc: str
    hostname: str
    path: str


def accept_tokens_for(address: str) -> None:
    """Besides tokens for STS's own name, take those that are signed for `address` (host:port).

    The AWS CLI signs for AWS_ENDPOINT_URL where that is set. All else is checked as for STS's name:
    the signature (which covers the address), the age, the region and the cluster.
    """
    eks = service("eks")
    decode = eks._decode_aws_iam_token

    def decoded(token: object) -> Any:
        found = decode(token)
        if found is not None or not isinstance(token, str) or len(token) > 16384:
            return found
        try:
            encoded = token.removeprefix(eks._EKS_TOKEN_PREFIX)
            url = urlsplit(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode())
            query = parse_qs(url.query, keep_blank_values=True)
        except ValueError:
            return None
        if (url.scheme, url.netloc) != ("http", address) or url.path not in ("", "/"):
            return None
        scope = query.get("X-Amz-Credential", [""])[0].split("/")
        if any(len(values) != 1 for values in query.values()) or len(scope) != 5:
            return None
        return _SignedHere(address, f"sts.{scope[2]}.amazonaws.com", url.path), query

    eks._decode_aws_iam_token = decoded


def access_entry(cluster: str, principal_arn: str) -> dict[str, Any] | None:
    """The access entry of an IAM user, a role, or the role behind an assumed-role session."""
    found: dict[str, Any] | None = service("eks")._access_entry_for_principal(
        cluster, account(), region(), principal_arn
    )
    return found


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
    sts = service("sts")
    access_key, secret, token = (
        sts._gen_session_access_key(),
        sts._gen_secret(),
        sts._gen_session_token(),
    )
    arn = f"arn:aws:sts::{account()}:assumed-role/{role['RoleName']}/{name}"
    sts.register_session(
        access_key,
        {
            "Arn": arn,
            "UserId": f"{role['RoleId']}:{name}",
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": time.time() + seconds,
            "AccountId": account(),
            "PrincipalType": "AssumedRole",
            "SessionTags": [{"Key": key, "Value": value} for key, value in tags.items()],
            "SessionPolicies": None,
        },
    )
    return {
        "access_key_id": access_key,
        "secret_access_key": secret,
        "session_token": token,
        "arn": arn,
        "id": f"{role['RoleId']}:{name}",
    }


def new_security_group(name: str, description: str, vpc: str, tags: dict[str, str]) -> str:
    """A security group that a service makes for itself; its id."""
    ec2 = service("ec2")
    before = set(ec2._security_groups.keys())
    ec2._create_security_group(
        {"GroupName": [name], "GroupDescription": [description], "VpcId": [vpc]}
    )
    (group,) = set(ec2._security_groups.keys()) - before
    ec2._tags[group] = [{"Key": key, "Value": value} for key, value in tags.items()]
    return str(group)


def tags_of_request(form: bytes, resource_type: str) -> list[dict[str, str]]:
    """The tags that an EC2 request gives to the resources of one type it makes."""
    fields = {key: values[0] for key, values in parse_qs(form.decode("utf-8", "replace")).items()}
    numbers = [
        key.split(".")[1]
        for key, value in fields.items()
        if re.fullmatch(r"TagSpecification\.\d+\.ResourceType", key) and value == resource_type
    ]
    return [
        {"Key": fields[key], "Value": fields.get(f"{key[:-4]}.Value", "")}
        for key in fields
        if re.fullmatch(rf"TagSpecification\.({'|'.join(numbers)})\.Tag\.\d+\.Key", key)
    ]


def show_metadata_options() -> None:
    """Let DescribeInstances answer an instance's MetadataOptions, which MiniStack drops."""
    ec2 = service("ec2")
    plain = ec2._instance_xml

    def shown(instance: dict[str, Any]) -> str:
        members = "".join(
            f"<{name[0].lower()}{name[1:]}>{value}</{name[0].lower()}{name[1:]}>"
            for name, value in instance.get("MetadataOptions", {}).items()
        )
        options = f"<metadataOptions><state>applied</state>{members}</metadataOptions>"
        return str(plain(instance)).rpartition("</item>")[0] + options + "</item>"

    ec2._instance_xml = shown


def add_managed_policy(name: str, document: str) -> None:
    """One more of the policies that AWS itself keeps. `name` has its path."""
    iam = service("iam")
    record = iam._make_aws_managed_record(name, document)
    iam._aws_managed_policies.setdefault(record["Arn"], record)


def policy_exists(arn: str) -> bool:
    return bool(service("iam").policy_known(arn))


def is_root(headers: dict[str, str]) -> bool:
    """Whether the account's root signed a request."""
    session = service("sts")._sessions.get(router.extract_access_key_id(headers))
    return session is not None and session["PrincipalType"] == "Root"


def query_error(module: str, code: str, message: str, status: int) -> Answer:
    """An error as the query protocol of IAM and STS has it."""
    found: Answer = service("iam")._error(status, code, message, ns=module)
    return found


def error(code: str, message: str, status: int = 400) -> Answer:
    """An error as the REST-JSON and JSON services have it."""
    body = {"__type": code, "message": message}
    headers = {"Content-Type": "application/json", "x-amzn-errortype": code}
    return status, headers, json.dumps(body).encode()


def ec2_error(code: str, message: str) -> Answer:
    found: Answer = service("ec2")._error(code, message, 400)
    return found


def load_balancing_error(code: str, message: str) -> Answer:
    """An error of ELBv2, and of classic load balancing, which has the same form."""
    found: Answer = service("alb")._error(code, message, 400)
    return found
