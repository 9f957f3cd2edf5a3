"""The database of a dedicated environment in an RDS instance that was there before it: dropped, or named.

A Job drops it when its release goes, and needs the cluster. So the cluster stays for as long as that fails; and what nothing can drop
any more is told, with the place where it is.
"""

from collections.abc import Callable

from cli.base.errors import CloudError, KitError, UserError
from cli.cloud.errors import translated, unless_gone
from cli.operations import losses
from cli.operations.teardown.helm import uninstall
from cli.operations.teardown.report import Report
from cli.operations.teardown.target import Target
from cli.stack import helm_releases
from infra.contract import existing_server


def settle(target: Target, report: Report) -> None:
    """Takes away a release that no state has, and one whose instance is gone; notes what will stay."""
    if not target.names.existing_server:
        return
    known = losses.existing_server(target.backend.resources())
    kubernetes = target.kubernetes
    if kubernetes is None:
        if known:
            _stays(target, report, ": no cluster is left from which it could be dropped")
        return
    release, namespace = target.names.database_release, existing_server.NAMESPACE
    if helm_releases.last_revision(kubernetes, release, namespace) is None:
        return
    if _is_gone(target):
        uninstall(kubernetes.kubectl, release, namespace, hooks=False)
        report.note(
            f"the RDS instance {target.database_instance} is gone, and the database with it"
        )
    elif not known or not target.cluster_exists:
        _drop(target, lambda: uninstall(kubernetes.kubectl, release, namespace))
        report.deleted(_label(target))
    elif known.get("keep"):
        _stays(target, report, ", as `protect` asks for")


def require_dropped(target: Target, failure: KitError) -> None:
    """KitError while the database is still there, and the cluster from which it can be dropped."""
    if not losses.existing_server(target.backend.resources()) or not target.cluster_exists:
        return
    raise KitError(*_not_dropped(target, failure)) from failure


def _drop(target: Target, work: Callable[[], None]) -> None:
    """UserError if it fails: every other failure of this step is noted, and then the cluster would go."""
    try:
        work()
    except KitError as error:
        raise UserError(*_not_dropped(target, error)) from error


def _not_dropped(target: Target, failure: KitError) -> tuple[str, str, str]:
    release, namespace = target.names.database_release, existing_server.NAMESPACE
    job = f"kubectl logs --namespace {namespace} job/{release}-drop"
    return (
        f"The {_label(target)} could not be dropped, and the cluster is kept",
        f"Only from there it can be. {failure.summary}\n{failure.detail}\nWhat its Job says: {job}",
        f"./aerodrome down --env {target.name}",
    )


def _label(target: Target) -> str:
    return f"database {target.names.database} in the RDS instance {target.database_instance}"


def _stays(target: Target, report: Report, why: str) -> None:
    target.stays.append(f"{_label(target)}, with its users")
    report.note(f"the {target.stays[-1]} stays{why}")


def _is_gone(target: Target) -> bool:
    name = target.database_instance
    try:
        with translated(f"show the RDS instance {name}"):
            found = unless_gone(
                target.client("rds").describe_db_instances, DBInstanceIdentifier=name
            )
    except CloudError:
        return False
    return found is None
