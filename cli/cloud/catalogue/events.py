"""EventBridge: rules of the account's own bus. A rule goes when nothing is its target any more."""

from collections.abc import Iterator

from cli.cloud.catalogue.kind import Item, Kind, named, repeat
from cli.cloud.errors import gone_is_fine, unless_gone
from cli.cloud.resource import Resource, Search, everything

SERVICE = "events"


def _rules(search: Search) -> Iterator[Item]:
    for name in search.tagged_names(SERVICE, "rule/"):
        if unless_gone(search.client(SERVICE).describe_rule, Name=name):
            arn = search.arn(SERVICE, f"rule/{name}")
            yield Item(name, arn, search.tagged.get(arn, {}))


def _delete(search: Search, resource: Resource) -> None:
    events = search.client(SERVICE)
    with gone_is_fine():
        targets = list(everything(events, "list_targets_by_rule", "Targets", Rule=resource.id))
        if targets:
            events.remove_targets(Rule=resource.id, Ids=[str(target["Id"]) for target in targets])
    events.delete_rule(Name=resource.id)


KINDS = (
    Kind(
        service=SERVICE,
        name="rule",
        type="aws:cloudwatch/eventRule:EventRule",
        list=_rules,
        delete=_delete,
        show="events describe-rule --name {id}",
        recover=named(SERVICE, "describe_rule", "Name"),
    ),
    # They go with their rule.
    Kind(type="aws:cloudwatch/eventTarget:EventTarget", recover=repeat),
)
