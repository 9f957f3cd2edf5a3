"""Draws what the program registers: one card for each component, an arrow for "needs".

The picture in the README comes from here, so it cannot show what is not deployed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from xml.sax.saxutils import escape

CHARACTER = 6.6
"""The width of an average character of the lines, in pixels."""
LINE, PADDING, GAP_X, GAP_Y, MARGIN, TITLE = 18, 12, 72, 22, 24, 30
COLOURS = {"aws": "#b45309", "eks": "#b45309", "kubernetes": "#1d4ed8", "docker-build": "#0f766e"}
_STACK = "pulumi:pulumi:Stack"
FONT = "ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"


class Registered(Protocol):
    """What the picture needs to know of a resource."""

    @property
    def type(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def urn(self) -> str: ...
    @property
    def parent(self) -> str: ...
    @property
    def dependencies(self) -> frozenset[str]: ...


CHARACTER = 6.6
"""The width of an average character of the lines, in pixels."""


@dataclass(frozen=True)
class Card:
    """One component: its URN and title, what is in it (kind and label), its column."""

    urn: str
    title: str
    lines: Sequence[tuple[str, str]]
    column: int
    needs: frozenset[str]

    @property
    def height(self) -> int:
        return TITLE + LINE * len(self.lines) + PADDING

    @property
    def width(self) -> int:
        longest = max(len(text) for _, text in [("", self.title), *self.lines])
        return max(170, 2 * PADDING + 14 + int(longest * CHARACTER))


@dataclass(frozen=True)
class Place:
    """Where a card is: its corner, and the width of its column."""

    x: int
    y: int
    width: int


def draw(resources: Sequence[Registered], title: str) -> str:
    """An SVG document. The same resources give the same text, whatever their order."""
    cards = _cards(resources)
    places = _places(cards)
    width = max(place.x + place.width for place in places.values()) + MARGIN
    height = max(places[card.urn].y + card.height for card in cards) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="{FONT}" role="img" aria-label="{escape(title)}">',
        f'<rect width="{width}" height="{height}" rx="10" fill="#f8fafc"/>',
        f'<text x="{MARGIN}" y="36" font-size="17" font-weight="600" fill="#0f172a">'
        f"{escape(title)}</text>",
    ]
    for card in cards:
        parts += [_arrow(places[other], places[card.urn]) for other in sorted(card.needs)]
    for card in cards:
        parts += _card(card, places[card.urn])
    return "\n".join([*parts, "</svg>", ""])


def _cards(resources: Sequence[Registered]) -> list[Card]:
    by_urn = {r.urn: r for r in resources}
    owners = {r.urn: _owner(r, by_urn).urn for r in resources if r.type != _STACK}
    contents: dict[str, Counter[tuple[str, str]]] = {owner: Counter() for owner in owners.values()}
    needs: dict[str, set[str]] = {owner: set() for owner in contents}
    for resource in resources:
        owner = owners.get(resource.urn)
        if owner is None:
            continue
        if not resource.type.startswith(("aerodrome:", "pulumi:")):
            contents[owner][_label(resource.type)] += 1
        needs[owner] |= {owners[urn] for urn in resource.dependencies if urn in owners} - {owner}
    return [
        Card(
            urn,
            _title(by_urn[urn]),
            [
                (kind, f"{text} \u00d7 {count}" if count > 1 else text)
                for (kind, text), count in sorted(contents[urn].items())
            ],
            _column(urn, needs),
            _without_detours(urn, needs),
        )
        for urn in sorted(contents)
    ]


def _owner(resource: Registered, by_urn: Mapping[str, Registered]) -> Registered:
    """The outermost component that a resource belongs to."""
    parent = by_urn.get(resource.parent)
    if parent is None or parent.type == _STACK:
        return resource
    return _owner(parent, by_urn)


def _title(component: Registered) -> str:
    kind = component.type.rpartition(":")[2]
    return kind if kind.lower() == component.name else f"{kind} \u00b7 {component.name}"


def _label(type_: str) -> tuple[str, str]:
    package, module, name = type_.split(":")
    service = module.split("/")[0].removesuffix(".k8s.io")
    prefix = {"aws": f"{service} ", "eks": "eks "}.get(package, "")
    return package, f"{prefix}{name}"


def _column(urn: str, needs: Mapping[str, set[str]]) -> int:
    return max((_column(other, needs) + 1 for other in needs[urn]), default=0)


def _without_detours(urn: str, needs: Mapping[str, set[str]]) -> frozenset[str]:
    """The components that one needs and that no other one which it needs leads to."""

    def reach(start: str) -> set[str]:
        return needs[start].union(*(reach(other) for other in needs[start]))

    behind = set[str]().union(*(reach(other) for other in needs[urn]))
    return frozenset(needs[urn] - behind)


def _places(cards: Sequence[Card]) -> dict[str, Place]:
    widths: dict[int, int] = {}
    for card in cards:
        widths[card.column] = max(widths.get(card.column, 0), card.width)
    places: dict[str, Place] = {}
    bottoms: dict[int, int] = {}
    for card in sorted(cards, key=lambda c: (-c.height, c.urn)):
        y = bottoms.get(card.column, MARGIN + 36)
        x = MARGIN + sum(widths[column] + GAP_X for column in range(card.column))
        places[card.urn] = Place(x, y, widths[card.column])
        bottoms[card.column] = y + card.height + GAP_Y
    return places


def _card(card: Card, place: Place) -> list[str]:
    x, y = place.x, place.y
    parts = [
        f'<rect x="{x}" y="{y}" width="{place.width}" height="{card.height}" rx="8" '
        'fill="#ffffff" stroke="#cbd5e1"/>',
        f'<text x="{x + PADDING}" y="{y + 20}" font-size="14" font-weight="600" '
        f'fill="#0f172a">{escape(card.title)}</text>',
    ]
    for row, (kind, text) in enumerate(card.lines):
        line_y = y + TITLE + LINE * row + 10
        colour = COLOURS.get(kind, "#475569")
        parts.append(f'<circle cx="{x + PADDING + 4}" cy="{line_y - 4}" r="3.5" fill="{colour}"/>')
        parts.append(
            f'<text x="{x + PADDING + 14}" y="{line_y}" font-size="12" fill="#334155">'
            f"{escape(text)}</text>"
        )
    return parts


def _arrow(source: Place, target: Place) -> str:
    x1, y1 = source.x + source.width, source.y + 15
    x2, y2 = target.x, target.y + 15
    bend = (x2 - x1) // 2
    return (
        f'<path d="M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2 - 2} {y2}" fill="none" '
        f'stroke="#94a3b8" stroke-width="1.4"/><circle cx="{x2}" cy="{y2}" r="3" fill="#94a3b8"/>'
    )
