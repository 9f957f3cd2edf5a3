"""States of the version that had a kubernetes provider of its own."""

import json
from typing import Any

from cli.stack.former_state import adapted
from cli.stack.outputs import as_secret
from cli.stack.pending import RELEASE

ASKED = {"chart": "../charts/airflow", "values": {"executor": "KubernetesExecutor"}}
ENCRYPTED = {
    "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
    "ciphertext": "x",
}


def deployment(type_: str, asked: Any) -> dict[str, Any]:
    item = {"urn": "urn:x", "type": type_, "outputs": {"__inputs": asked, "name": "airflow"}}
    return {"manifest": {}, "resources": [{"urn": "urn:y", "type": "t"}, item]}


def test_what_a_release_was_asked_for_becomes_a_secret() -> None:
    before = deployment(RELEASE, ASKED)
    after = adapted(before)
    assert after is not None
    found = after["resources"][1]["outputs"]
    assert found == {"__inputs": as_secret(ASKED), "name": "airflow"}
    assert json.loads(found["__inputs"]["plaintext"]) == ASKED
    assert before == deployment(RELEASE, ASKED)
    assert adapted(after) is None


def test_what_holds_a_secret_is_asked_for_anew() -> None:
    after = adapted(deployment(RELEASE, {"values": {"password": ENCRYPTED}}))
    assert after is not None
    assert after["resources"][1]["outputs"] == {"name": "airflow"}


def test_all_else_stays() -> None:
    assert adapted(deployment(RELEASE, ENCRYPTED)) is None
    assert adapted(deployment("kubernetes:core/v1:Secret", ASKED)) is None
    assert adapted({}) is None
