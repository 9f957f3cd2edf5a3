"""What the catalogue says of one kind of resource: the fields of a row, and what rows are made with.

The modules beside this one hold the rows, one module for each AWS service. Everything else that
must know a kind - the inventory, the teardown, the price of an environment, the recovery of an
interrupted run - asks the row.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cli.cloud import ownership
from cli.cloud.errors import InUse, is_gone_code, unless_gone
from cli.cloud.resource import Client, Resource, Search, pairs

Facts = Mapping[str, Any]
"""A resource's properties: Pulumi's inputs, or what its service tells, then with Pulumi's names beside."""

HOUR, MONTH = "hour", "month"

IN_TWO_ZONES = " in two zones"
"""How the price table's key of a database class with a standby ends: rounded, it is not always twice one."""


@dataclass(frozen=True)
class Item:
    """One resource as its service lists it."""

    id: str
    """What the service's calls take."""

    arn: str = ""
    """Empty where the service does not tell it."""

    tags: Mapping[str, str] = field(default_factory=dict)
    near: str = ""
    """The environment that something besides its tags speaks for, such as an IAM path."""

    created: Any = None
    facts: Facts = field(default_factory=dict)
    ending: bool = False


@dataclass(frozen=True)
class Charge:
    """Something that AWS bills for a resource, by a rate of the price table."""

    what: str
    """Like "NAT gateway"."""

    rates: tuple[str, ...]
    """Keys of the price table, or instance types. Of several the dearest counts; with none there is no price."""

    amount: float = 1.0
    per: str = HOUR
    """HOUR, MONTH, or the unit of what is billed by use, such as "GB": then there is no amount."""

    detail: str = ""

    instead: str = ""
    """Of what is billed by use: the rate of the way that this one takes the place of. Without rates it is free."""

    pays: tuple[str, str] | None = None
    """Of what is billed by the hour and makes a unit cheaper: the rate of the unit with it, and of that without."""

    @property
    def by_use(self) -> bool:
        return self.per not in (HOUR, MONTH)


@dataclass(frozen=True)
class Asked:
    """A creation that was interrupted: what its resource can be found again by."""

    client: Client
    inputs: Mapping[str, Any]
    known: frozenset[str] = frozenset()
    """Ids that the state has already: they are other resources."""

    since: datetime | None = None
    """When the state was last written before the run was interrupted; None if it does not say."""

    @property
    def tags(self) -> Mapping[str, Any]:
        return self.inputs.get("tagsAll") or self.inputs.get("tags") or {}


class Undecidable(Exception):
    """Nothing in the inputs is this resource's alone."""


Lister = Callable[[Search], Iterable[Item]]
Deleter = Callable[[Search, Resource], None]
Pricer = Callable[[Facts], Iterable[Charge]]
Recovery = Callable[[Asked], str | None]
"""The id, as Pulumi imports it, of what an interrupted creation has made; None if it may be repeated."""


def repeat(asked: Asked) -> None:
    """Creating it a second time makes the same one: a setting that is put, or an attachment."""


def free(facts: Facts) -> Iterable[Charge]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A row of the catalogue: one kind of resource."""

    service: str = ""
    """As in ARNs."""

    name: str = ""
    """Like "network-interface"; empty where a service has one kind only."""

    type: str = ""
    """Pulumi's; empty for what only controllers in the cluster make."""

    component: str = ""
    """The component of pulumi-eks that makes it of the same inputs, outside of the program."""

    arn: str | None = None
    """How the last part of its ARN begins, up to `/` or `:`; `name` by default. A kind without service
    has no ARN."""

    list: Lister | None = None
    """All of the account's in the region, without those that have ended and those that cannot go alone.
    None: it goes with what it is part of."""

    actions: tuple[str, ...] = ()
    """What IAM must allow for `list`, where that is not written by hand in docs/pipeline-deploy-policy.json."""

    delete: Deleter | None = None
    show: str | Callable[[str], str] = ""
    """The AWS CLI's command that shows one, with `{id}` for its id."""

    price: Pricer = free
    recover: Recovery | None = None
    """None: a creation of it that was interrupted is nothing that can be looked for."""

    ready: tuple[str, Callable[[str], Mapping[str, Any]]] | None = None
    """The service's waiter and its arguments: what can neither be used nor deleted before it is ready."""

    @property
    def label(self) -> str:
        return f"{self.service} {self.name}".strip()

    @property
    def arns(self) -> tuple[str, str]:
        """What its ARNs have in common: service and type."""
        return self.service, self.name if self.arn is None else self.arn

    def command(self, identifier: str) -> str:
        return (
            self.show.format(id=identifier) if isinstance(self.show, str) else self.show(identifier)
        )


# -- what rows are made with ---------------------------------------------------------------


def hourly(what: str, rate: str) -> Pricer:
    return lambda facts: [Charge(what, (rate,))]


def monthly(what: str, rate: str) -> Pricer:
    return lambda facts: [Charge(what, (rate,), per=MONTH)]


def by_use(what: str, rate: str, unit: str) -> Pricer:
    return lambda facts: [Charge(what, (rate,), per=unit)]


def call(service: str, operation: str, argument: str) -> Deleter:
    """One call with the id, or with a list of it alone, if it is not on its way out already."""

    def delete(search: Search, resource: Resource) -> None:
        if resource.ending:
            return
        value = [resource.id] if argument.endswith("Ids") else resource.id
        answer = getattr(search.client(service), operation)(**{argument: value})
        # A call with a list refuses in an answer that is no error.
        for refused in (answer or {}).get("Unsuccessful") or ():
            error = refused.get("Error") or {}
            if not is_gone_code(str(error.get("Code"))):
                raise InUse(f"{resource.label} cannot be deleted", str(error.get("Message")))

    return delete


def named(service: str, operation: str, argument: str, key: str = "name") -> Recovery:
    """Looked for by the name in its inputs, which is its id."""

    def recover(asked: Asked) -> str | None:
        name = asked.inputs[key]
        found = unless_gone(getattr(asked.client(service), operation), **{argument: name})
        return None if found is None or _foreign(found, asked) else str(name)

    return recover


def _foreign(answer: Mapping[str, Any], asked: Asked) -> bool:
    """Whether it bears the name, but is another environment's, or nobody's: then AWS refuses the creation."""
    wanted = asked.tags.get(ownership.TAG_ENVIRONMENT)
    for part in (answer, *answer.values()):
        for each in part if isinstance(part, list) else [part]:
            for key in ("Tags", "tags", "TagList"):
                if isinstance(each, dict) and key in each:
                    has = each[key] if isinstance(each[key], dict) else pairs(each[key])
                    return wanted is not None and has.get(ownership.TAG_ENVIRONMENT) != wanted
    return False
