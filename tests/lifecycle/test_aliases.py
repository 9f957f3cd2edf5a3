"""Renaming with an alias: the state moves, the cloud does not notice."""

from typing import Any


def test_a_renamed_resource_keeps_its_state(stack: Any) -> None:
    stack.up('Thing("old", size=1)')
    before = stack.cloud()
    result = stack.up('Thing("new", size=1, opts=O(aliases=[pulumi.Alias(name="old")]))')
    assert result.changes == {"same": 2}
    assert stack.names() == ["new"]
    assert stack.cloud() == before
    assert stack.calls("delete") == []


def test_an_alias_may_be_a_urn(stack: Any) -> None:
    stack.up('Thing("old")')
    urn = stack.resource("old").urn
    assert stack.up(f'Thing("new", opts=O(aliases=["{urn}"]))').changes == {"same": 2}


def test_children_of_a_renamed_parent_follow(stack: Any) -> None:
    program = """
    class Shop(pulumi.ComponentResource):
        def __init__(self, name, opts=None):
            super().__init__("test:index:Shop", name, None, opts)
            Thing(f"{{name}}-thing", opts=O(parent=self))
            Thing("plain", opts=O(parent=self))
    {code}
    """
    stack.up(program.format(code='Shop("old")'))
    before = stack.cloud()
    result = stack.up(program.format(code='Shop("new", O(aliases=[pulumi.Alias(name="old")]))'))
    assert result.changes == {"same": 4}
    assert stack.cloud() == before
    assert stack.names() == ["new-thing", "plain"]


def test_a_resource_that_moves_under_a_parent(stack: Any) -> None:
    stack.up('Thing("a")')
    program = """
    class Shop(pulumi.ComponentResource):
        def __init__(self, name, opts=None):
            super().__init__("test:index:Shop", name, None, opts)
    Thing("a", opts=O(parent=Shop("s"), aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)]))
    """
    result = stack.up(program)
    assert result.changes == {"same": 2, "create": 1}
    assert len(stack.cloud()) == 1
