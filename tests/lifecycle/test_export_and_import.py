"""The state is Pulumi's: what the one writes the other reads, secrets included.

Pulumi's side is played by the tests: the layout and the encryption as recorded of its CLI.
"""

import base64
import hashlib
import json
import os
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sandbox.engine import operations
from sandbox.errors import UserError
from sandbox.wire.values import Secret
from tests.lifecycle.conftest import PASSPHRASE

HUSH = "open-sesame-42"
SIG = "4dabf18193072939515e22adb298388d"
IS_SECRET = "1b47061264138c4ac30d75fd1eb44270"
STACK = "urn:pulumi:dev::shop::pulumi:pulumi:Stack::shop-dev"
PROVIDER = "urn:pulumi:dev::shop::pulumi:providers:fake::default_1_2_3"
THING = "urn:pulumi:dev::shop::fake:index:Thing::a"


def key(salt: bytes) -> AESGCM:
    return AESGCM(hashlib.pbkdf2_hmac("sha256", PASSPHRASE.encode(), salt, 1_000_000, 32))


def encrypted(by: AESGCM, text: str) -> str:
    nonce = os.urandom(12)
    parts = (nonce, by.encrypt(nonce, text.encode(), None))
    return "v1:" + ":".join(base64.b64encode(part).decode() for part in parts)


def decrypted(by: AESGCM, ciphertext: str) -> str:
    _, nonce, body = ciphertext.split(":")
    return by.decrypt(base64.b64decode(nonce), base64.b64decode(body), None).decode()


def exported_by_pulumi() -> dict[str, Any]:
    """As `pulumi stack export` gives it."""
    salt = os.urandom(8)
    by = key(salt)
    salt_line = f"v1:{base64.b64encode(salt).decode()}:{encrypted(by, 'pulumi')}"
    secret = {SIG: IS_SECRET, "ciphertext": encrypted(by, json.dumps(HUSH))}
    provider_id = "5c8bf4a2-6a3e-4a9f-9a53-2f8f6c1f0a11"
    time = "2026-11-22T10:00:00.000000Z"
    resources = [
        {
            "urn": STACK,
            "custom": False,
            "type": "pulumi:pulumi:Stack",
            "outputs": {"key": secret},
            "created": time,
            "modified": time,
            "sourcePosition": "project:///__main__.py#4",
            "stackTrace": [{"sourcePosition": "project:///__main__.py#4"}],
        },
        {
            "urn": PROVIDER,
            "custom": True,
            "id": provider_id,
            "type": "pulumi:providers:fake",
            "inputs": {"__internal": {}, "version": "1.2.3"},
            "outputs": {"version": "1.2.3"},
        },
        {
            "urn": THING,
            "custom": True,
            "id": "id-one",
            "type": "fake:index:Thing",
            "inputs": {"name": "one", "key": secret},
            "outputs": {"name": "one", "key": secret, "arn": "arn:id-one"},
            "parent": STACK,
            "dependencies": [],
            "provider": f"{PROVIDER}::{provider_id}",
            "propertyDependencies": {"key": None, "name": []},
            "ignoreChanges": ["tags.v"],
        },
    ]
    return {
        "version": 3,
        "deployment": {
            "manifest": {"time": time, "magic": "0" * 64, "version": "v3.200.0"},
            "secrets_providers": {"type": "passphrase", "state": {"salt": salt_line}},
            "resources": resources,
            "metadata": {},
        },
    }


def test_what_pulumi_exports_can_be_imported_and_gone_on_with(stack: Any) -> None:
    stack.cloud_file.write_text(
        json.dumps({"id-one": {"urn": THING, "inputs": {"name": "one", "key": HUSH}}})
    )
    operations.import_(stack.request, exported_by_pulumi())
    assert operations.outputs(stack.request) == {"key": Secret(HUSH)}
    assert HUSH not in stack.all_state_text()
    program = f"""
    a = Thing("a", name="one", key=pulumi.Output.secret("{HUSH}"))
    pulumi.export("key", a.key)
    """
    assert stack.up(program).changes == {"same": 2}
    stack.destroy()
    assert stack.cloud() == {}


def test_what_is_exported_opens_with_pulumis_encryption(stack: Any) -> None:
    stack.up(f'a = Thing("a", key=pulumi.Output.secret("{HUSH}"))\npulumi.export("key", a.key)')
    document = json.loads(json.dumps(operations.export(stack.request)))
    assert document.keys() == {"version", "deployment"}
    deployment = document["deployment"]
    assert deployment.keys() == {"manifest", "secrets_providers", "resources", "metadata"}
    salt_line = deployment["secrets_providers"]["state"]["salt"]
    _, salt, check = salt_line.split(":", 2)
    by = key(base64.b64decode(salt))
    assert decrypted(by, check) == "pulumi"
    output = deployment["resources"][0]["outputs"]["key"]
    assert output[SIG] == IS_SECRET
    assert json.loads(decrypted(by, output["ciphertext"])) == HUSH


def test_there_and_back_is_the_same(stack: Any) -> None:
    first = exported_by_pulumi()
    operations.import_(stack.request, first)
    second = operations.export(stack.request)
    known = {"stackTrace", "inputs", "propertyDependencies", "dependencies"}
    for before, after in zip(
        first["deployment"]["resources"], second["deployment"]["resources"], strict=True
    ):
        assert {k: v for k, v in before.items() if k not in known} == {
            k: v for k, v in after.items() if k not in known
        }


def test_secrets_kept_by_somebody_else_are_refused(stack: Any) -> None:
    stack.up('Thing("a")')
    before = stack.document()
    document = exported_by_pulumi()
    document["deployment"]["secrets_providers"] = {"type": "cloud", "state": {"url": "awskms://x"}}
    with pytest.raises(UserError, match="The stack's secrets are kept by cloud"):
        operations.import_(stack.request, document)
    assert stack.document() == before


def test_a_wrong_passphrase_imports_nothing(stack: Any) -> None:
    variables = {**stack.request.environment, "PULUMI_CONFIG_PASSPHRASE": "wrong"}
    stack.configure(environment=variables)
    with pytest.raises(UserError, match="Wrong passphrase"):
        operations.import_(stack.request, exported_by_pulumi())
    assert operations.resources(stack.request) == []
