"""The shared environments of a base: it cannot be destroyed before they are."""

from cli.base.environments import Environment
from cli.base.errors import KitError
from cli.cloud.errors import translated
from cli.cloud.resource import TAGGING_API, pairs
from cli.operations.teardown.target import Target
from cli.stack import stack_config
from infra.contract.naming import LABEL_BASE, LABEL_ENVIRONMENT, TAG_BASE, TAG_ENVIRONMENT


def branches_of(target: Target) -> list[str]:
    """Names of the environments that live in this one's cluster.

    Asked of the cluster, of the cloud and of this machine: none of them knows all for sure.
    """
    if target.shared:
        return []
    found = {*_in_cluster(target), *_in_cloud(target), *_on_this_machine(target)}
    return sorted(found - {target.name, ""})


def _in_cluster(target: Target) -> list[str]:
    kubernetes = target.kubernetes
    if kubernetes is None:
        return []
    try:
        spaces = kubernetes.objects("namespaces", selector=f"{LABEL_BASE}={target.name}")
    except KitError:
        return []
    return [space["metadata"]["labels"].get(LABEL_ENVIRONMENT, "") for space in spaces]


def _in_cloud(target: Target) -> list[str]:
    with translated("list resources by tag"):
        pages = (
            target.client(TAGGING_API)
            .get_paginator("get_resources")
            .paginate(TagFilters=[{"Key": TAG_BASE, "Values": [target.name]}])
        )
        tags = [pairs(item["Tags"]) for page in pages for item in page["ResourceTagMappingList"]]
    return [item.get(TAG_ENVIRONMENT, "") for item in tags]


def _on_this_machine(target: Target) -> list[str]:
    return [name for name in target.cloud.neighbours() if _base_of(target, name) == target.name]


def _base_of(target: Target, name: str) -> str:
    backend = target.session.backend(Environment(name))
    return backend.plain().get(stack_config.BASE_KEY, "")
