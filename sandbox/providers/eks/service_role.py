"""eks:index:ServiceRole: a role that an AWS service works with, and the policies on it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from sandbox.providers.eks.resources import AwsResource


@dataclass(frozen=True)
class ServiceRole:
    """A role with its policy attachments: what needs the one needs the others, too."""

    role: AwsResource
    attached: list[AwsResource]


def register(
    name: str,
    service: str,
    description: str,
    policies: Sequence[str],
    parent: pulumi.Resource,
    partition: pulumi.Output[Any],
) -> ServiceRole:
    """The component, the role below it, and one attachment for each of AWS' own policies."""
    component = pulumi.ComponentResource(
        "eks:index:ServiceRole", name, {}, pulumi.ResourceOptions(parent=parent)
    )
    role = AwsResource(
        "aws:iam/role:Role",
        f"{name}-role",
        {
            "assumeRolePolicy": partition.apply(lambda found: _trust(service, found["dnsSuffix"])),
            "description": description,
        },
        component,
        outputs=["arn"],
    )
    attached = [
        AwsResource(
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            f"{name}-{_suffix(policy)}",
            {
                "policyArn": pulumi.Output.format(
                    "arn:{0}:iam::aws:policy/{1}", partition["partition"], policy
                ),
                "role": role,
            },
            component,
        )
        for policy in policies
    ]
    component.register_outputs({"directRole": role, "resolvedRole": role})
    return ServiceRole(role, attached)


def _trust(service: str, dns_suffix: str) -> str:
    statement = {
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.{dns_suffix}"},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _suffix(policy: str) -> str:
    """The real component names an attachment by its policy's ARN, in AWS' first partition always."""
    arn = f"arn:aws:iam::aws:policy/{policy}"
    return hashlib.sha1(arn.encode(), usedforsecurity=False).hexdigest()[:8]
