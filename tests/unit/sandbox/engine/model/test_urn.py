"""Names of resources."""

from sandbox.engine.model import urn as urns

STACK = "urn:pulumi:dev::shop::pulumi:pulumi:Stack::shop-dev"


def test_the_stack_is_not_named_as_a_parent() -> None:
    assert urns.make("dev", "shop", STACK, "a:b:C", "x") == "urn:pulumi:dev::shop::a:b:C::x"


def test_other_parents_are() -> None:
    parent = urns.make("dev", "shop", STACK, "a:b:C", "x")
    child = urns.make("dev", "shop", parent, "d:e:F", "y")
    assert child == "urn:pulumi:dev::shop::a:b:C$d:e:F::y"
    assert urns.type_of(child) == "d:e:F"


def test_a_name_may_hold_the_separator() -> None:
    urn = urns.make("dev", "shop", "", "a:b:C", "x::y")
    assert (urns.name_of(urn), urns.type_of(urn)) == ("x::y", "a:b:C")


def test_packages_of_types_tokens_and_providers() -> None:
    assert urns.package_of("aws:s3/bucket:Bucket") == "aws"
    assert urns.package_of("pulumi:providers:aws") == "aws"
    assert urns.split_reference(f"{STACK}::id") == (STACK, "id")
