"""Under which URNs a resource may have been known before."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sandbox.engine.model import urn as urns


@dataclass(frozen=True, slots=True)
class AliasSpec:
    """An alias by its parts; what is empty is as it is now."""

    name: str = ""
    type: str = ""
    stack: str = ""
    project: str = ""
    parent: str = ""
    no_parent: bool = False


def expand(
    urn: str,
    parent: str,
    specs: Iterable[AliasSpec | str],
    former_urns: Mapping[str, str],
) -> tuple[str, ...]:
    """The former URNs of `urn`, most explicit first.

    `former_urns` maps resources that were renamed in this run to what they were before: a
    child of one was known under its parent's former name too.
    """
    found: dict[str, None] = {}
    listed = list(specs)
    for spec in [*listed, AliasSpec()]:
        for candidate in _candidates(urn, parent, spec, former_urns):
            if candidate != urn:
                found[candidate] = None
    return tuple(found)


def _candidates(
    urn: str, parent: str, spec: AliasSpec | str, former_urns: Mapping[str, str]
) -> Iterator[str]:
    if isinstance(spec, str):
        yield spec
        return
    type_ = spec.type or urns.type_of(urn)
    name = spec.name or urns.name_of(urn)
    stack = spec.stack or urns.stack_of(urn)
    project = spec.project or urns.project_of(urn)
    above = "" if spec.no_parent else spec.parent or parent
    yield urns.make(stack, project, above, type_, name)
    former = former_urns.get(above)
    if former is not None:
        yield urns.make(stack, project, former, type_, name)
        # A child is often called after its parent: app-bucket under app.
        parent_name = urns.name_of(above)
        if not spec.name and name.startswith(parent_name):
            renamed = urns.name_of(former) + name[len(parent_name) :]
            yield urns.make(stack, project, former, type_, renamed)
