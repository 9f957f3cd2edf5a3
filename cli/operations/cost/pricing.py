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
    by_use = _by_use(charge, prices) if charge.by_use else ""
    hourly = hour(charge, prices)
    detail = ", ".join(filter(None, [charge.detail, _break_even(charge, hourly, prices)]))
    return Line(charge.what, thing.name, hourly, detail, by_use, thing.created)


def _by_use(charge: Charge, prices: Prices) -> str:
    known = [rate for key in charge.rates if (rate := prices.rate(key)) is not None]
    rate = max(known, default=None) if charge.rates else 0.0
    price = (
        f"no price per {charge.per}"
        if rate is None
        else f"{rate:g} USD per {charge.per}"
        if rate
        else "free"
    )
    other = prices.rate(charge.instead) if charge.instead else None
    return price if other is None else f"{price} instead of {other:g} through NAT"


def _break_even(charge: Charge, hourly: float | None, prices: Prices) -> str:
    """From how much use on it is cheaper to have what makes a unit cheaper."""
    if not charge.pays or hourly is None:
        return ""
    own, other = (prices.rate(key) for key in charge.pays)
    if own is None or other is None or other <= own:
        return ""
    return f"pays from {hourly * HOURS / (other - own):,.0f} GB a month on"


def hour(charge: Charge, prices: Prices) -> float | None:
    """What a charge is by the hour, in dollars; None if the table has no rate for it, or it is billed by use."""
    rates = [prices.rate(key) for key in charge.rates]
    known = [rate for rate in rates if rate is not None]
    if charge.by_use or not rates or len(known) < len(rates):
        return None
    return charge.amount * max(known) / (1 if charge.per == HOUR else HOURS)
