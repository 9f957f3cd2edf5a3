"""Names of resources: `urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME`.

A URN is a plain `str` everywhere; only this module takes one apart.
"""

STACK_TYPE = "pulumi:pulumi:Stack"
STACK_REFERENCE_TYPE = "pulumi:pulumi:StackReference"
PROVIDER_PREFIX = "pulumi:providers:"


def make(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """The URN of a resource under `parent` (a URN, or empty)."""
    qualified = type_
    if parent:
        above = qualified_type_of(parent)
        # The stack is everybody's parent, so it is not worth naming.
        if above != STACK_TYPE:
            qualified = f"{above}${type_}"
    return f"urn:pulumi:{stack}::{project}::{qualified}::{name}"


def qualified_type_of(urn: str) -> str:
    """Its type with those of its parents: `eks:index:Cluster$aws:iam/role:Role`."""
    return urn.split("::", 3)[2]


def type_of(urn: str) -> str:
    """Its own type alone."""
    return qualified_type_of(urn).rpartition("$")[2]


def name_of(urn: str) -> str:
    """The name that the program gave it; may itself hold `::`."""
    return urn.split("::", 3)[3]


def stack_of(urn: str) -> str:
    return urn.split("::", 3)[0].removeprefix("urn:pulumi:")


def project_of(urn: str) -> str:
    return urn.split("::", 3)[1]


def is_urn(text: str) -> bool:
    return text.startswith("urn:pulumi:") and text.count("::") >= 3


def is_provider(type_: str) -> bool:
    """Whether `type_` is that of a provider (`pulumi:providers:aws`)."""
    return type_.startswith(PROVIDER_PREFIX)


def package_of(type_: str) -> str:
    """The package that a resource type or function token belongs to."""
    if is_provider(type_):
        return type_.removeprefix(PROVIDER_PREFIX)
    return type_.partition(":")[0]


def split_reference(reference: str) -> tuple[str, str]:
    """A provider reference `URN::ID` as its two parts."""
    urn, _, id_ = reference.rpartition("::")
    return urn, id_
