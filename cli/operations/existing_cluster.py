"""Environments in an EKS cluster that somebody else has made (`clusterName`): which that is, and what is none of theirs."""

from collections.abc import Mapping

from cli.base.environments import Environment
from cli.base.errors import KitError
from cli.base.settings import qualified
from cli.cloud.ownership import of_cluster
from cli.session import Session
from infra.contract.clusters import CLUSTER
from infra.contract.naming import Names
from infra.contract.outputs import Outputs


def configured(session: Session, name: str, base: str, plain: Mapping[str, str]) -> str:
    """The cluster of an environment, or of its `base`, by the configuration; for where no outputs say it."""
    if base:
        try:
            plain = session.backend(Environment(base)).plain()
        except KitError:
            # A base that this machine does not know: its cluster is most often its own.
            plain = {}
    return plain.get(qualified(CLUSTER), "") or Names(base or name).cluster


def foreign(outputs: Outputs) -> str:
    """The cluster of an environment, or of its base, that stands in somebody else's; empty for all others."""
    name = outputs.cluster_name
    return "" if not name or of_cluster(name) else name
