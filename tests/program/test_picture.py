"""The README's picture shows what the program registers, and nothing else."""

import importlib.util
import os
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent.parent
PICTURE = ROOT / "docs" / "picture.svg"

_spec = importlib.util.spec_from_file_location("picture", Path(__file__).with_name("picture.py"))
assert _spec is not None
assert _spec.loader is not None
picture = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(picture)


def drawn(program) -> str:
    return picture.draw(program.resources, "One environment of Aerodrome on AWS")


def test_the_picture_in_the_readme_is_up_to_date(program) -> None:
    if os.environ.get("AERODROME_WRITE_PICTURE"):
        PICTURE.write_text(drawn(program))
    assert PICTURE.read_text() == drawn(program), "run `make docs`"


def test_every_component_has_a_card(program) -> None:
    texts = [node.text for node in ElementTree.fromstring(drawn(program)).iter() if node.text]
    kinds = {
        r.type.rpartition(":")[2] for r in program.resources if r.type.startswith("aerodrome:")
    }
    assert kinds == {text.split()[0] for text in texts if text.strip()} & kinds


def test_the_order_of_registrations_does_not_matter(program) -> None:
    title = "One environment of Aerodrome on AWS"
    assert picture.draw(program.resources[::-1], title) == drawn(program)
