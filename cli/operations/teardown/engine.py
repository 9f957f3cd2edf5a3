"""`pulumi destroy` in a teardown: it deletes what is in the state, in the order of dependencies.

Three things keep it from the end, and all are known. A bucket or a repository of a protected
environment refuses while it holds data: that is deleted first, if the user has confirmed it. And
network interfaces that nodes left behind keep security groups and subnets: they are swept, and
the engine tries once more. So it does when something is gone that its state still has.
"""

import re

from cli.base.errors import KitError, UserError
from cli.cloud.catalogue import ecr, rds, s3
from cli.cloud.clearing import clear
from cli.cloud.errors import gone_is_fine, translated
from cli.cloud.kubernetes import Kubernetes
from cli.cloud.patience import Patience
from cli.cloud.resource import Resource
from cli.operations import hindrances
from cli.operations.teardown.report import Report
from cli.operations.teardown.target import Target
from cli.operations.teardown.waiting import until_none
from cli.stack.backends import Outcome

IN_THE_WAY = ("elasticloadbalancing", "ec2 network-interface", "ec2 security-group", "ec2 instance")
"""The services whose resources controllers leave in a network."""

DEPENDENCY = re.compile(
    r"DependencyViolation|has dependencies|dependent object|ResourceInUse|currently in use|InUse\b",
    re.IGNORECASE,
)
GONE = re.compile(r"not found|no longer exists|does not exist", re.IGNORECASE)
"""Of what an earlier run took away without the engine, when that had been killed: Helm refuses to uninstall it."""

NOTHING = "no previous deployment"
"""What Pulumi's engine says of a stack that is empty already."""


def release_data(target: Target, report: Report) -> None:
    """Removes the protection of an environment and the data that it protects. The user has confirmed it."""
    if not target.protected:
        return
    for resource in target.found([s3.SERVICE, ecr.SERVICE, rds.SERVICE]):
        with translated(f"empty {resource.label}"), gone_is_fine():
            _release(target, resource, report)


def _release(target: Target, resource: Resource, report: Report) -> None:
    match resource.service, resource.kind:
        case "s3", "":
            count = s3.empty(target.client("s3"), resource.id)
            report.deleted(f"{count} versions of objects in s3://{resource.id}")
        case "ecr", "repository":
            count = ecr.empty(target.client("ecr"), resource.id)
            report.deleted(f"{count} images of {resource.id}")
        case "rds", "db" if resource.facts.get("protected"):
            rds.release(target.client("rds"), resource.id)
            report.note(f"database {resource.id} may be deleted now")


def destroy(target: Target, report: Report) -> Outcome | None:
    """Deletes what is in the state; None if it is empty."""
    if not target.has_state():
        report.note("it is in no state")
        return None
    if not target.cluster_exists and (lost := target.backend.forget_in_cluster()):
        # The engine would wait for a cluster that does not answer any more.
        report.note(
            f"{lost} objects were deleted with their cluster: they are removed from the state"
        )
    settled(target, report)
    before = _named(target)
    try:
        return _twice(target, report)
    finally:
        # The engine has shown each while it went; this is for the result.
        left = set(_named(target))
        report.steps[-1].deleted += [name for name in before if name not in left]


def _named(target: Target) -> list[str]:
    return [f"{resource.type} {resource.name}" for resource in target.backend.resources()]


def _twice(target: Target, report: Report) -> Outcome:
    try:
        return _destroy(target)
    except UserError:
        raise
    except KitError as error:
        message = f"{error.summary}\n{error.detail}"
        if DEPENDENCY.search(message):
            report.note(f"a dependency is left: {error.summary}")
            in_the_way(target, report)
        elif GONE.search(message):
            report.note(f"something is gone already: {error.summary}")
            target.backend.refresh(target.session.console.stderr, seconds=target.limits.destroy)
        else:
            raise
    return _destroy(target)


def _destroy(target: Target) -> Outcome:
    base = target.base if target.shared else ""
    try:
        with hindrances.watched(
            lambda: _cluster(target), hindrances.places(target.names, base)
        ) as watch:
            return target.backend.destroy(
                target.session.console.stderr,
                seconds=target.limits.destroy,
                stop=lambda: watch.reason,
            )
    except UserError:
        raise
    except KitError as error:
        if NOTHING not in f"{error.summary}\n{error.detail}":
            raise
        return Outcome({}, 0.0)


def _cluster(target: Target) -> Kubernetes:
    if target.kubernetes is None:
        raise KitError("There is no cluster")
    return target.kubernetes


def settled(target: Target, report: Report) -> None:
    """Waits for interfaces of nodes that are on their way out: the CNI must live to take them away."""
    if target.shared:
        return

    def detaching() -> list[str]:
        return [
            resource.label
            for resource in target.found(["ec2"])
            if resource.kind == "network-interface"
            and (resource.facts.get("Attachment") or {}).get("Status") == "detaching"
        ]

    until_none(detaching, target.limits.settle, target.limits.pause, report.deleted)


def in_the_way(target: Target, report: Report) -> None:
    """Deletes what controllers left in the environment's network."""

    def is_wanted(resource: Resource) -> bool:
        return resource.service in IN_THE_WAY or f"{resource.service} {resource.kind}" in IN_THE_WAY

    clear(
        target.client,
        target.name,
        report.log_line,
        services=["elasticloadbalancing", "ec2"],
        region=target.region,
        wanted=is_wanted,
        patience=Patience(target.limits.cluster, target.limits.settle, target.limits.pause),
    )
