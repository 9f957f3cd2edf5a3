"""The private parts of MiniStack that the stand-in uses or replaces; all of them are here.

Each private name that is read or called, and each function that is replaced, has its reason
beside it. `emulator.RELEASE` is the release that this was written for: a newer one is read
against this list.
"""

import base64
import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

# These live in the emulator's own environment, where the type checker does not look.
from ministack.core import iam_actions, iam_evaluator, router  # type: ignore[import-not-found]

from sandbox.aws.standin.emulator import Raw, account, handlers, region, service

STORES = {
    "alb": "lbs listeners rules tags tgs",
    "budgets": "budgets tags",
    "cloudwatch_logs": "log_groups",
    "ec2": (
        "addresses dhcp_options egress_igws flow_logs images instances internet_gateways "
        "key_pairs launch_templates nat_gateways network_acls network_interfaces route_tables "
        "security_groups snapshots subnets tags volumes vpc_endpoints vpcs"
    ),
    "ecr": "repositories",
    "eks": (
        "access_entries access_policies addons clusters nodegroups pod_identity_associations tags"
    ),
    "eventbridge": "rules tags targets",
    "iam": "groups instance_profiles oidc_providers policies roles users",
    "kms": "aliases keys",
    "rds": "clusters db_cluster_param_groups instances param_groups snapshots subnet_groups tags",
    "s3": "bucket_tags buckets",
    "secretsmanager": "secrets",
    "sqs": "queues",
    "ssm": "parameters tags",
    "sts": "sessions",
}
"""The private variables that are used, by module, without their underscore.

Reason: MiniStack offers a service's state only as a copy of all of it (`get_state`). The kit looks
at single records on every call, and completes some.
"""


@dataclass(frozen=True)
class Records:
    """The records of one service by MiniStack's own keys, live: `records("ec2").vpcs`."""

    module: str

    def __getattr__(self, name: str) -> Any:
        if name not in STORES[self.module].split():
            raise AttributeError(f"{name} of MiniStack's {self.module} is not in STORES")
        return getattr(service(self.module), f"_{name}")


def records(module: str) -> Records:
    return Records(module)


def trust_no_well_known_key() -> None:
    """Replace the rule by which MiniStack knows root.

    Reason: it takes the key `test`, every 12-digit key and an unsigned S3 request for the account's
    root, without looking at the signature, and no setting changes that. STS has its own name for
    the same function.
    """
    iam_evaluator.is_root_access_key = _nobody
    service("sts").is_root_access_key = _nobody


def _nobody(_access_key_id: str) -> bool:
    return False


def add_service(name: str, handler: Raw, botocore: str = "") -> None:
    """Serve one more service. `name` is its name in signatures and policies, and botocore's too
    unless that is another one.

    Reason for `_BOTOCORE_SERVICE_MAP`: from it a REST call's action is found, for its policy; its
    neighbours are public.
    """
    router.SERVICE_PATTERNS[name] = {"credential_scope": name}
    iam_actions.SERVICE_TO_IAM_NAMESPACE[name] = name
    iam_actions._BOTOCORE_SERVICE_MAP[name] = [botocore or name]
    handlers()[name] = handler


def rename_actions(name: str, action_of: Callable[[str], str]) -> None:
    """Say for a JSON service which of IAM's actions an operation is.

    Reason: MiniStack takes the operation's own name, and has no table for those that are called otherwise.
    """
    original = iam_actions.extract_iam_action

    def found(called: str, *more: Any) -> str | None:
        action: str | None = original(called, *more)
        if called != name or action is None:
            return action
        service, _, operation = action.partition(":")
        return f"{service}:{action_of(operation)}"

    iam_actions.extract_iam_action = found


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
    """Replace the function that names a call's resource, for one service; `own` gets path, headers,
    body and parameters.

    Reason: MiniStack gives no service a say in it, and leaves out paths, aliases and what is below
    a cluster. A policy that names resources would then allow too much, or nothing.
    """
    original = iam_actions.extract_resource_arn

    def found(called: str, method: str, path: str, *more: Any) -> str:
        ours = own(path, *more[:3]) if called == name else None
        return str(ours or original(called, method, path, *more))

    iam_actions.extract_resource_arn = found


def add_condition_keys(
    name: str, conditions_of: Callable[[Mapping[str, str]], dict[str, Any]]
) -> None:
    """Let policies use a service's own condition keys, from a call's parameters.

    Reason: the function that is replaced is where MiniStack's own keys come from; there is no other.
    """
    original = iam_actions.request_tag_context

    def found(called: str, action: str, body: bytes, parameters: Any) -> dict[str, Any]:
        own = conditions_of(_parameters(parameters)) if called == name else {}
        return {**original(called, action, body, parameters), **own}

    iam_actions.request_tag_context = found


def _parameters(given: Mapping[str, Any]) -> dict[str, str]:
    """The first value of each parameter."""
    return {key: str(v[0] if isinstance(v, list) else v) for key, v in given.items() if v}


def add_resource_tags(
    services: Iterable[str], collect: Callable[[str], Iterable[tuple[str, dict[str, str]]]]
) -> None:
    """Let policies use `aws:ResourceTag` for more services than MiniStack does.

    Reason: its table of collectors is private, and has no function to add one.
    """
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


@dataclass(frozen=True)
class Principal:
    """The IAM principal that signed an EKS token."""

    arn: str
    unique_id: str


def verify_eks_token(token: str, cluster: str) -> Principal | None:
    """Whose token it is, if it is well signed, fresh and made for `cluster`.

    Reason: MiniStack verifies tokens only for a TokenReview of its own containers.
    """
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

    Reason for the replacement: MiniStack's names of STS are a literal in its function.
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
    """The access entry of an IAM user, a role, or the role behind an assumed-role session.

    Reason: which role is behind a session, path and all, is MiniStack's own rule.
    """
    found: dict[str, Any] | None = service("eks")._access_entry_for_principal(
        cluster, account(), region(), principal_arn
    )
    return found


def add_managed_policy(name: str, document: str) -> None:
    """Add one of the policies that AWS itself keeps. `name` has its path.

    Reason: MiniStack's `store_policy` makes policies of the account, and its own are fixed.
    """
    iam = service("iam")
    record = iam._make_aws_managed_record(name, document)
    iam._aws_managed_policies.setdefault(record["Arn"], record)
