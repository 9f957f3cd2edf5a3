"""The search for secrets in images finds each kind, wherever in an image it is: in a real registry, in layers packed as builders pack them."""

import base64
import gzip

import pytest
import zstandard

from cli.cloud.image_content import ImageContent, Reference
from tests.image_search import Search
from tests.unit.cli.operations.test_image_bill import layer, pushed
from tests.unit.sandbox.aws.conftest import Emulator, emulator, registry

__all__ = ["emulator", "registry"]

PASSWORD = "correct-horse-battery"
KEY = b"-----BEGIN RSA PRIVATE KEY-----\n" + base64.b64encode(b"k" * 48) + b"\n"
# In two parts: this file is none of those that may have one.
ACCESS_KEY = b"AKIA" + b"QWERTYUIOPASDFGH"
PLANTED: dict[str, tuple[dict[str, bytes], str]] = {
    "a password": ({"opt/settings.ini": PASSWORD.encode()}, "adminPassword in opt/settings.ini"),
    "a password in base64": (
        {"opt/secret.yaml": b"data: " + base64.b64encode(PASSWORD.encode())},
        "adminPassword in opt/secret.yaml",
    ),
    "an access key": ({"opt/x.py": b"key = '" + ACCESS_KEY + b"'"}, "an access key of AWS in"),
    "a private key": ({"root/id": KEY}, "a private key in root/id"),
    "a netrc": ({"root/.netrc": b"machine x login y"}, "a file with a login: root/.netrc"),
    "the AWS CLI's": ({"root/.aws/credentials": b"[default]"}, "a file with a login: root/.aws"),
    "pip's index": (
        {"etc/pip.conf": b"[global]\nindex-url = https://me:word@pypi.example.org/simple\n"},
        "a login in an address in etc/pip.conf",
    ),
}
HARMLESS = {
    "usr/share/doc/readme": b"AKIAIOSFODNN7EXAMPLE -----BEGIN PRIVATE KEY----- is how one begins",
    "etc/pip.conf": b"[global]\nindex-url = https://pypi.example.org/simple\n",
}


@pytest.fixture(scope="module")
def repository(emulator: Emulator) -> str:
    emulator.client("ecr").create_repository(repositoryName="kit/search")
    return "kit/search"


@pytest.fixture
def search() -> Search:
    return Search({"adminPassword": PASSWORD, "tooShort": "etc"})


@pytest.mark.parametrize("what", PLANTED)
@pytest.mark.parametrize("pack", [zstandard.ZstdCompressor().compress, gzip.compress])
def test_it_is_found_also_where_a_layer_above_deletes_it(
    emulator: Emulator, registry: str, repository: str, search: Search, what: str, pack: object
) -> None:
    planted, wanted = PLANTED[what]
    (path,) = planted
    folder, _, name = path.rpartition("/")
    layers = [pack(layer(one)) for one in (HARMLESS, planted, {f"{folder}/.wh.{name}": b""})]  # type: ignore[operator]
    digest = pushed(registry, repository, layers)
    image = ImageContent(emulator.client("ecr"), Reference("host", repository, digest))
    (found,) = search.findings(image)
    assert wanted in found
    assert PASSWORD not in found
    assert search.findings(image) == [], "its layers were looked at"


def test_it_is_found_in_the_configuration(
    emulator: Emulator, registry: str, repository: str, search: Search
) -> None:
    history = [{"created_by": f"RUN login {PASSWORD}"}]
    told = {"config": {"Env": ["KEY=" + ACCESS_KEY.decode()]}, "history": history}
    digest = pushed(registry, repository, [gzip.compress(layer(HARMLESS))], **told)
    image = ImageContent(emulator.client("ecr"), Reference("host", repository, digest))
    found = "\n".join(search.findings(image))
    assert "adminPassword in its configuration" in found
    assert "an access key of AWS in its configuration" in found


def test_nothing_is_found_where_nothing_is(
    emulator: Emulator, registry: str, repository: str, search: Search
) -> None:
    digest = pushed(registry, repository, [layer(HARMLESS)])
    image = ImageContent(emulator.client("ecr"), Reference("host", repository, digest))
    assert search.findings(image) == []
    assert search.files == len(HARMLESS)
