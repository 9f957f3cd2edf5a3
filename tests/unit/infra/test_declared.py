"""Pools, variables and connections of values files: what is refused in the preview, and where."""

from pathlib import Path

import pytest

from infra.declared import StackSecrets, config_keys
from infra.values import ValuesError, check

KNOWN = StackSecrets(frozenset({"crm-password"}), frozenset({"plain"}))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "values").mkdir()
    return tmp_path


def problems(root: Path, text: str, secrets: StackSecrets = KNOWN) -> list[str]:
    (root / "values" / "common.yaml").write_text(text)
    with pytest.raises(ValuesError) as caught:
        check("dev", (), root, secrets)
    return [str(problem) for problem in caught.value.problems]


def warnings(root: Path, text: str, secrets: StackSecrets = KNOWN) -> list[str]:
    (root / "values" / "common.yaml").write_text(text)
    return list(check("dev", (), root, secrets).warnings)


GOOD = """
pools:
  heavy: {slots: 4}
  default_pool: {slots: 64, includeDeferred: true}
variables:
  colour: blue
  token_url: https://login.example
  limits: {json: {rows: 5}}
  sales_token: {secret: {name: sales, key: token}}
connections:
  crm:
    type: http
    password: {config: crm-password}
    extra: {timeout: 30}
prune: [pools]
"""


def test_good_declarations_pass_without_a_word(root: Path) -> None:
    assert warnings(root, GOOD) == []
    assert config_keys(check("dev", (), root, KNOWN).values) == ["crm-password"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pools: {heavy: {slots: many}}", "1:17: pools.heavy.slots: must be a whole number, not the text 'many'"),
        ("pools: {heavy: {slots: -2}}", "pools.heavy.slots: must be between -1 and 2147483647, not -2"),
        ("pools: {heavy: {description: x}}", "pools.heavy.slots: is required"),
        ("pools:\n  heavy: {slots: 1}\n  heavy: {slots: 2}", "3:3: pools.heavy: is there twice; line 2"),
        ("variables: {a: 3}", "1:13: variables.a: must be text or keys and values, not the number 3; put it in quotes"),
        ("variables: {a: {}}", "1:13: variables.a: has one of value, json, secret, config"),
        ("variables: {a: {value: x, json: {}}}", "variables.a: has one of value, json, secret, config, not value and json"),
        ("variables: {api_key: x}", "variables.api_key: a secret in plain text"),
        ("connections: {crm: {host: x}}", "1:15: connections.crm.type: is required"),
        ("connections: {crm: {type: http, pasword: {config: x}}}", "connections.crm.pasword: there is no such value; did you mean connections.crm.password?"),
        ("connections: {crm: {type: http, password: s3cret}}", "connections.crm.password: must be keys and values, not the text 's3cret'"),
        ("connections: {crm: {type: http, password: {}}}", "1:33: connections.crm.password: has either secret"),
        ("connections: {crm: {type: http, extra: {api_key: x}}}", "1:41: connections.crm.extra.api_key: a secret in plain text"),
        ("connections: {crm: {type: http, password: {config: plain}}}", "airflow:plain is set in plain text: ./aerodrome config set airflow:plain --secret"),
        ("connections: {crm: {type: http, password: {config: crm-pasword}}}", "1:44: connections.crm.password.config: airflow:crm-pasword is not set; did you mean crm-password?"),
        ("connections: {aws_default: {type: aws}}", "connections.aws_default: the chart sets this connection"),
        ("connections: {a b: {type: http}}", "connections.a b: a key here must match"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_refused_with_its_place(root: Path, text: str, told: str) -> None:
    (found,) = problems(root, text)
    assert told in found
    assert found.startswith("values/common.yaml:")


def test_the_file_that_says_it_last_is_named(root: Path) -> None:
    (root / "values" / "dev.yaml").write_text("connections: {crm: {password: {config: nope}}}")
    (found,) = problems(root, GOOD)
    # Both forms at once, from two files: the second is where it went wrong.
    assert found.startswith("values/dev.yaml:1:32: connections.crm.password.config: airflow:nope")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("connections: {crm: {type: htp}}", "1:21: connections.crm.type: nothing in the image has connections of the type htp; did you mean http?"),
        ("connections: {crm: {type: http}}\nenv: {AIRFLOW_CONN_CRM: x}", "connections.crm: env.AIRFLOW_CONN_CRM is set, and Airflow looks there first"),
        ("variables: {a: x}\nsecretEnv: {AIRFLOW_VAR_A: {name: a, key: b}}", "variables.a: secretEnv.AIRFLOW_VAR_A is set"),
    ],
)  # fmt: skip
def test_what_may_be_meant_is_a_warning(root: Path, text: str, told: str) -> None:
    (found,) = warnings(root, text)
    assert told in found


@pytest.mark.parametrize(
    ("text", "secrets"),
    [(GOOD, StackSecrets(optional=True)), (f"{GOOD}missingSecrets: leaveOut", StackSecrets())],
    ids=["a branch", "asked for"],
)
def test_where_secrets_may_be_missing_it_is_a_warning(
    root: Path, text: str, secrets: StackSecrets
) -> None:
    (found,) = warnings(root, text, secrets)
    assert "left out, because airflow:crm-password is not set" in found


def test_a_branch_may_be_told_to_fail(root: Path) -> None:
    found = problems(root, f"{GOOD}missingSecrets: fail", StackSecrets(optional=True))
    assert "airflow:crm-password is not set" in found[0]
