"""CloudWatch's log groups, found by name: EKS makes a cluster's anew with the last line of its log,
without a tag."""

from collections.abc import Iterator

from cli.cloud import ownership
from cli.cloud.resource import Resource, Search, everything, moment
from infra.contract.naming import PREFIX

SERVICE = "logs"
PREFIXES = (f"/aws/eks/{PREFIX}-", f"/aws/containerinsights/{PREFIX}-")


def find(search: Search) -> Iterator[Resource]:
    logs = search.client(SERVICE)
    marked = {
        arn.removesuffix(":*"): tags
        for arn, tags in search.tagged.items()
        if arn.split(":")[2] == SERVICE
    }
    prefixes = [
        *PREFIXES,
        *(name.removesuffix(":*") for name in search.tagged_names(SERVICE, "log-group:")),
    ]
    seen = set()
    for prefix in prefixes:
        for item in everything(logs, "describe_log_groups", "logGroups", logGroupNamePrefix=prefix):
            name = str(item["logGroupName"])
            arn = str(item.get("logGroupArn") or item["arn"]).removesuffix(":*")
            near = ownership.of_cluster(name.split("/")[3]) if name.startswith(PREFIXES) else ""
            environment = search.whose(marked.get(arn, {}), *([near] if near else []))
            if environment is None or name in seen:
                continue
            seen.add(name)
            yield Resource(
                service=SERVICE,
                kind="log-group",
                id=name,
                arn=arn,
                environment=environment,
                show=search.command(f"logs describe-log-groups --log-group-name-prefix {name}"),
                tags=marked.get(arn, {}),
                created=moment(item.get("creationTime")),
                facts={"bytes": item.get("storedBytes", 0)},
            )


def delete(search: Search, resource: Resource) -> None:
    search.client(SERVICE).delete_log_group(logGroupName=resource.id)
