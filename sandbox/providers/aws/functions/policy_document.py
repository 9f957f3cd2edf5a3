"""getPolicyDocument: an IAM policy from statements, without asking anyone."""

import json
import zlib
from typing import Any

from sandbox.errors import UserError
from sandbox.providers.aws.clients import Aws
from sandbox.wire.values import Properties

_VERSION = "2012-10-17"
_LISTS = {
    "actions": "Action",
    "notActions": "NotAction",
    "resources": "Resource",
    "notResources": "NotResource",
}


def get_policy_document(aws: Aws, arguments: Properties) -> Properties:
    """Sources first, then the statements, then overrides; a `sid` that comes again wins."""
    version = arguments.get("version") or _VERSION
    document: dict[str, Any] = {"Version": version}
    if arguments.get("policyId"):
        document["Id"] = arguments["policyId"]
    statements: list[dict[str, Any]] = []
    for text in arguments.get("sourcePolicyDocuments") or ():
        _add_new(statements, _statements(text))
    _add_new(statements, [_statement(one) for one in arguments.get("statements") or ()])
    for text in arguments.get("overridePolicyDocuments") or ():
        _override(statements, _statements(text))
    document["Statement"] = statements
    text = json.dumps(document, indent=2)
    return arguments | {
        "id": str(zlib.crc32(text.encode())),
        "json": text,
        "minifiedJson": json.dumps(document, separators=(",", ":")),
        "version": version,
    }


def _statement(given: Properties) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if given.get("sid"):
        made["Sid"] = given["sid"]
    made["Effect"] = given.get("effect") or "Allow"
    for key, name in _LISTS.items():
        if given.get(key):
            made[name] = _one_or_sorted(given[key])
    for key, name in (("principals", "Principal"), ("notPrincipals", "NotPrincipal")):
        if given.get(key):
            made[name] = _principals(given[key])
    if given.get("conditions"):
        made["Condition"] = _conditions(given["conditions"])
    return made


def _principals(given: list[Properties]) -> Any:
    merged: dict[str, list[str]] = {}
    for one in given:
        if one["type"] == "*" and one["identifiers"] == ["*"]:
            return "*"
        merged.setdefault(one["type"], []).extend(one["identifiers"])
    return {kind: _one_or_sorted(names) for kind, names in merged.items()}


def _conditions(given: list[Properties]) -> dict[str, dict[str, Any]]:
    merged: dict[str, dict[str, list[str]]] = {}
    for one in given:
        merged.setdefault(one["test"], {}).setdefault(one["variable"], []).extend(one["values"])
    return {
        test: {
            # The order of the values is kept, as the real provider keeps it.
            variable: values[0] if len(values) == 1 else values
            for variable, values in variables.items()
        }
        for test, variables in merged.items()
    }


def _one_or_sorted(values: list[str]) -> Any:
    unique = sorted(set(values))
    return unique[0] if len(unique) == 1 else unique


def _statements(text: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(text)["Statement"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError("Not a policy document", f"{text}\n{error}") from error
    return [found] if isinstance(found, dict) else list(found)


def _add_new(statements: list[dict[str, Any]], more: list[dict[str, Any]]) -> None:
    for statement in more:
        sid = statement.get("Sid")
        if sid and sid in {known.get("Sid") for known in statements}:
            raise UserError(f"Two statements of a policy document have the sid {sid}")
        statements.append(statement)


def _override(statements: list[dict[str, Any]], more: list[dict[str, Any]]) -> None:
    for statement in more:
        places = [
            index
            for index, known in enumerate(statements)
            if statement.get("Sid") and known.get("Sid") == statement["Sid"]
        ]
        if places:
            statements[places[0]] = statement
        else:
            statements.append(statement)
