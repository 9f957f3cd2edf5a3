"""Resources that exist already: `get` reads them, `import_` takes them over."""

from typing import Any

import pytest

from sandbox.errors import KitError


@pytest.fixture
def existing(stack: Any) -> Any:
    """A thing in the cloud that no stack has."""
    stack.up('Thing("other", name="theirs", size=9, opts=O(retain_on_delete=True))')
    stack.up("")
    assert list(stack.cloud()) == ["id-theirs"]
    return stack


def test_a_read_resource_is_external_and_never_deleted(existing: Any) -> None:
    program = 'r = Thing.get("r", "id-theirs")\npulumi.export("arn", r.arn)\nThing("b", of=r.arn)'
    result = existing.up(program, skip_preview=False)
    assert result.changes == {"same": 1, "read": 1, "create": 1}
    assert result.outputs["arn"] == "arn:id-theirs"
    assert existing.resource("r").external
    existing.destroy()
    assert list(existing.cloud()) == ["id-theirs"]


def test_reading_what_is_not_there(stack: Any) -> None:
    stack.program('Thing.get("r", "id-nothing")')
    with pytest.raises(KitError, match="There is no fake:index:Thing with the id id-nothing"):
        stack.preview()


def test_an_imported_resource_is_ours_from_then_on(existing: Any) -> None:
    program = 'Thing("mine", name="theirs", size=9, opts=O(import_="id-theirs"))'
    result = existing.up(program, skip_preview=False)
    assert result.changes == {"same": 1, "import": 1}
    assert existing.up(program).changes == {"same": 2}
    assert existing.up('Thing("mine", name="theirs", size=10)').changes == {"same": 1, "update": 1}
    existing.destroy()
    assert existing.cloud() == {}


def test_an_imported_resource_is_not_replaced_while_it_names_an_id(existing: Any) -> None:
    program = 'Thing("mine", name="theirs", size=9, immutable={v}, opts=O(import_="id-theirs"))'
    existing.up(program.format(v=1))
    with pytest.raises(KitError, match="may not be replaced"):
        existing.up(program.format(v=2))


def test_importing_what_is_not_there(stack: Any) -> None:
    stack.program('Thing("mine", opts=O(import_="id-nothing"))')
    with pytest.raises(KitError, match="There is no fake:index:Thing with the id id-nothing"):
        stack.preview()
