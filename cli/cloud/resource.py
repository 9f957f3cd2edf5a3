"""One thing in the cloud, and what is looked for. Data, no calls of its own.

`catalogue.find` lists what belongs to an environment, `catalogue.delete` takes one of those away. Only
what `find` gave is ever handed to `delete`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from cli.cloud import ownership
from infra.contract.naming import PREFIX

Item = TypeVar("Item")

Client = Callable[[str], Any]
"""Makes a boto3 client of a service."""

TAGGING_API = "resourcegroupstaggingapi"
THREADS = 8


@dataclass(frozen=True)
class Resource:
    """Something in the cloud that belongs to an environment."""

    service: str
    """As in ARNs: "ec2"."""

    kind: str
    """Like "network-interface"; empty where a service has one kind only."""

    id: str
    """What the service's calls take."""

    arn: str
    environment: str
    """Whose it is; empty if it is Aerodrome's, but of no environment."""

    show: str
    """The command that shows it."""

    tags: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    """When, as ISO 8601; empty where the service does not say."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    """What its price, or its deletion, goes by: size, type, state."""

    ending: bool = False
    """Whether the cloud is already taking it away."""

    known: bool = True
    """Whether the catalogue has its kind. If not, it can be named, and nothing else."""

    @property
    def label(self) -> str:
        """Like "ec2 volume vol-1"."""
        return " ".join(part for part in (self.service, self.kind, self.id) if part)

    def data(self) -> dict[str, Any]:
        return {
            "arn": self.arn,
            "kind": f"{self.service} {self.kind}".strip(),
            "known": self.known,
            "id": self.id,
            "environment": self.environment,
            "created": self.created,
            "show": self.show,
        }


class Search:
    """What is looked for, and where. The answers to questions that several services ask are kept."""

    def __init__(self, client: Client, environment: str | None = None, region: str = "") -> None:
        self._make = client
        self._clients: dict[str, Any] = {}
        self.environment = environment
        """None: that of every environment."""
        self._region = region
        self._answers: dict[str, Any] = {}

    def once(self, question: str, ask: Callable[[], Item]) -> Item:
        """The answer to a question that several kinds ask."""
        if question not in self._answers:
            self._answers[question] = ask()
        answer: Item = self._answers[question]
        return answer

    def ours(
        self, service: str, operation: str, key: str, name: str, before: str = ""
    ) -> list[dict[str, Any]]:
        """What is listed under `key` and has the kit's name or tag; listed once for the kinds that ask.

        For services that cannot be asked by tag. `name`: the key of its name; `before`: what precedes that
        in its ARN.
        """

        def ask() -> list[dict[str, Any]]:
            marked = set(self.tagged_names(service, before))
            listed = everything(self.client(service), operation, key)
            return [
                item
                for item in listed
                if item[name].startswith(f"{PREFIX}-") or item[name] in marked
            ]

        return self.once(f"{service} {operation}", ask)

    def client(self, service: str) -> Any:
        """One for each service: making one takes longer than most of its calls."""
        if service not in self._clients:
            self._clients[service] = self._make(service)
        return self._clients[service]

    def whose(self, tags: Mapping[str, str], *more: str) -> str | None:
        """The environment under which something is found; None if it is not looked for.

        `more` are environments that something besides the tags speaks for, such as an IAM path.
        """
        owners = [*more, *ownership.owners(tags)]
        if self.environment is not None:
            return self.environment if self.environment in owners else None
        if owners:
            return owners[0]
        return "" if ownership.is_aerodrome(tags) else None

    def command(self, text: str) -> str:
        """The AWS CLI's command that shows something."""
        return f"aws {text} --region {self._region}" if self._region else f"aws {text}"

    @cached_property
    def account(self) -> str:
        return str(self.client("sts").get_caller_identity()["Account"])

    def arn(self, service: str, resource: str) -> str:
        """The ARN of something whose service does not tell it."""
        place = self.client("sts").meta
        return f"arn:{place.partition}:{service}:{place.region_name}:{self.account}:{resource}"

    @cached_property
    def tagged(self) -> dict[str, dict[str, str]]:
        """ARN and tags of what the tagging API knows with the environment's tag."""
        wanted: dict[str, Any] = {"Key": ownership.TAG_ENVIRONMENT}
        if self.environment is not None:
            wanted["Values"] = [self.environment]
        pages = (
            self.client(TAGGING_API).get_paginator("get_resources").paginate(TagFilters=[wanted])
        )
        return {
            str(item["ResourceARN"]): pairs(item.get("Tags"))
            for page in pages
            for item in page["ResourceTagMappingList"]
        }

    def tagged_names(self, service: str, before: str) -> list[str]:
        """Names of what the tagging API knows of a service: what follows `before` in the ARN."""
        parts = (arn.split(":", 5) for arn in self.tagged)
        return [
            part[5].removeprefix(before)
            for part in parts
            if part[2] == service and part[5].startswith(before)
        ]

    def each(self, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """`work` of every item, several at a time: for services that tell tags one by one."""
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(work, items))


def everything(client: Any, operation: str, result: str, **arguments: Any) -> Iterator[Any]:
    """The items of all pages, or of the one answer of an operation without pages. `result` is where the
    answer has them: a list, or "Lists.Items"."""
    if client.can_paginate(operation):
        for page in client.get_paginator(operation).paginate(**arguments):
            yield from _inside(page, result)
    else:
        yield from _inside(getattr(client, operation)(**arguments), result)


def _inside(answer: Mapping[str, Any], result: str) -> Iterator[Any]:
    name, _, rest = result.partition(".")
    for item in answer.get(name, ()):
        yield from _inside(item, rest) if rest else (item,)


def batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """`items` in their order, as many at a time as a call takes."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def pairs(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """AWS' usual form of tags as a dictionary; KMS has names of its own for the members."""
    return {
        tag.get("Key", tag.get("TagKey", "")): tag.get("Value", tag.get("TagValue", ""))
        for tag in tags or ()
    }


def moment(value: Any) -> str:
    """A time as a service gives it, as ISO 8601."""
    return value.isoformat() if hasattr(value, "isoformat") else str(value or "")
