"""eks:index:ServiceRole: a role that an AWS service works with, and the policies on it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.providers.eks.monitor import Component, Monitor, Registered


@dataclass(frozen=True)
class ServiceRole:
    """`attached` are the URNs of the attachments: what needs the role needs them too."""

    role: Registered
    attached: tuple[str, ...]


@dataclass(frozen=True)
class Wanted:
    """What the role is for."""

    name: str
    service: str
    description: str
    policies: Sequence[str]
    """ARNs of managed policies."""


def register(monitor: Monitor, wanted: Wanted, parent: Component) -> ServiceRole:
    """The component, the role below it, and one attachment for each policy."""
    component = monitor.component(
        "eks:index:ServiceRole", wanted.name, parent=parent.urn, providers=parent.providers
    )
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Effect": "Allow",
                "Principal": {"Service": wanted.service},
            }
        ],
    }
    role = monitor.resource(
        "aws:iam/role:Role",
        f"{wanted.name}-role",
        {"assumeRolePolicy": json.dumps(trust), "description": wanted.description},
        parent=component,
    )
    attached = tuple(
        monitor.resource(
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            f"{wanted.name}-{hashlib.sha1(policy.encode(), usedforsecurity=False).hexdigest()[:8]}",
            {"policyArn": policy, "role": role.reference},
            parent=component,
        ).urn
        for policy in wanted.policies
    )
    monitor.outputs(component, {"directRole": role.reference, "resolvedRole": role.reference})
    return ServiceRole(role, attached)
