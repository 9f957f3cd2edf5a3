"""A thing's price: what its row of the catalogue says that AWS bills, by the rates of the table."""

from collections.abc import Iterator

from cli.cloud.catalogue import BY_TYPE
from cli.cloud.catalogue.kind import HOUR, Charge
from cli.operations.cost.prices import HOURS, Prices
from cli.operations.cost.things import Line, Thing


def lines(thing: Thing, prices: Prices) -> Iterator[Line]:
    """What a thing costs: no line for what is free, one without a price for what nobody knows."""
    kind = BY_TYPE.get(thing.type)
    if kind is not None:
        for charge in kind.price(thing.inputs):
            yield line(charge, thing, prices)
    elif not is_component(thing.type):
        yield Line(thing.type, thing.name, None, created=thing.created)


def is_component(kind: str) -> bool:
    """Whether a type only groups others, or is Pulumi's own."""
    return kind.startswith(("aerodrome:", "eks:", "pulumi:"))


def line(charge: Charge, thing: Thing, prices: Prices) -> Line:
    """A charge in dollars."""
    hourly, by_use = hour(charge, prices), ""
    if charge.by_use:
        rate = max((r for key in charge.rates if (r := prices.rate(key)) is not None), default=None)
        by_use = f"no price per {charge.per}" if rate is None else f"{rate:g} USD per {charge.per}"
    return Line(charge.what, thing.name, hourly, charge.detail, by_use, thing.created)


def hour(charge: Charge, prices: Prices) -> float | None:
    """What a charge is by the hour, in dollars; None if the table has no rate for it, or it is billed by use."""
    rates = [prices.rate(key) for key in charge.rates]
    known = [rate for rate in rates if rate is not None]
    if charge.by_use or not rates or len(known) < len(rates):
        return None
    return charge.amount * max(known) / (1 if charge.per == HOUR else HOURS)
