"""SQS: queues."""

from collections.abc import Iterator

from cli.cloud.catalogue.kind import Asked, Item, Kind, repeat
from cli.cloud.errors import unless_gone
from cli.cloud.resource import Resource, Search

SERVICE = "sqs"


def _queues(search: Search) -> Iterator[Item]:
    for name in search.tagged_names(SERVICE, ""):
        if unless_gone(search.client(SERVICE).get_queue_url, QueueName=name):
            arn = search.arn(SERVICE, name)
            yield Item(name, arn, search.tagged.get(arn, {}))


def _delete(search: Search, resource: Resource) -> None:
    sqs = search.client(SERVICE)
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=resource.id)["QueueUrl"])


def _recover(asked: Asked) -> str | None:
    name = asked.inputs["name"]
    found = unless_gone(asked.client(SERVICE).get_queue_url, QueueName=name)
    return None if found is None else str(found["QueueUrl"])


KINDS = (
    Kind(
        service=SERVICE,
        type="aws:sqs/queue:Queue",
        list=_queues,
        delete=_delete,
        show="sqs get-queue-url --queue-name {id}",
        recover=_recover,
    ),
    Kind(type="aws:sqs/queuePolicy:QueuePolicy", recover=repeat),
)
