"""The resource ARNs of EKS calls, for IAM policies that name resources.

MiniStack takes the cluster for all of them, and `*` for tags.
"""

import re
from urllib.parse import unquote

from sandbox.aws.standin import internals
from sandbox.aws.standin.internals import records

NAME = r"([^/]+)"


def install() -> None:
    internals.replace_resources("eks", resource_of)


def resource_of(path: str) -> str | None:
    """The ARN of what a path leads to, if it is below a cluster; None to leave it to MiniStack."""
    eks = records("eks")
    tagged = re.fullmatch("/tags/(.+)", path)
    if tagged:
        return unquote(tagged[1])
    for pattern, store, key, member in (
        (f"/clusters/{NAME}/node-groups/{NAME}.*", eks.nodegroups, "{}/{}", "nodegroupArn"),
        (f"/clusters/{NAME}/addons/{NAME}.*", eks.addons, "{}/{}", "addonArn"),
        (
            f"/clusters/{NAME}/pod-identity-associations/{NAME}",
            eks.pod_identity_associations,
            "{}\x00{}",
            "associationArn",
        ),
        (
            f"/clusters/{NAME}/access-entries/(.+?)(?:/access-policies.*)?",
            eks.access_entries,
            "{}\x00{}",
            "accessEntryArn",
        ),
    ):
        found = re.fullmatch(pattern, path)
        if found:
            record = store.get(key.format(found[1], unquote(found[2])))
            return str(record[member]) if record else None
    return None
