"""CloudWatch's log groups, found by name: EKS makes a cluster's anew with the last line of its log,
without a tag."""

from collections.abc import Iterator

from cli.cloud import ownership
from cli.cloud.catalogue.kind import Asked, Item, Kind, by_use, call
from cli.cloud.resource import Search, everything
from infra.contract.naming import PREFIX

SERVICE = "logs"
PREFIXES = (f"/aws/eks/{PREFIX}-", f"/aws/containerinsights/{PREFIX}-")


def _groups(search: Search) -> Iterator[Item]:
    tags = {arn.removesuffix(":*"): tags for arn, tags in search.tagged.items()}
    marked = [name.removesuffix(":*") for name in search.tagged_names(SERVICE, "log-group:")]
    for prefix in (*PREFIXES, *marked):
        for item in everything(
            search.client(SERVICE), "describe_log_groups", "logGroups", logGroupNamePrefix=prefix
        ):
            name = str(item["logGroupName"])
            arn = str(item.get("logGroupArn") or item["arn"]).removesuffix(":*")
            near = ownership.of_cluster(name.split("/")[3]) if name.startswith(PREFIXES) else ""
            yield Item(name, arn, tags.get(arn, {}), near, item.get("creationTime"))


def _recover(asked: Asked) -> str | None:
    name = asked.inputs["name"]
    found = asked.client(SERVICE).describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return name if any(group["logGroupName"] == name for group in found) else None


KINDS = (
    Kind(
        service=SERVICE,
        name="log-group",
        type="aws:cloudwatch/logGroup:LogGroup",
        list=_groups,
        delete=call(SERVICE, "delete_log_group", "logGroupName"),
        show="logs describe-log-groups --log-group-name-prefix {id}",
        price=by_use("control plane's logs", "logs", "GB"),
        recover=_recover,
    ),
)
