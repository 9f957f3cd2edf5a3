"""A configuration that is not right ends the program with words, before anything is registered."""

import pulumi
import pytest

from tests.program.recording import SECRETS, run_program


def failure(config: dict[str, str], secrets: dict[str, str] = SECRETS) -> str:
    with pytest.raises(pulumi.RunError) as caught:
        run_program(config, secrets)
    return str(caught.value)


def test_a_misspelt_key() -> None:
    assert failure({"environment": "test", "nodemax": "3"}) == (
        "The stack's configuration is not valid:\n"
        "aerodrome:nodemax is not a configuration key: did you mean aerodrome:nodeMax?"
    )


def test_an_environment_name_with_bad_characters() -> None:
    assert failure({"environment": "feature/x"}) == (
        "The stack's configuration is not valid:\n"
        "aerodrome:environment is 'feature/x': must be 1 to 28 of a-z, 0-9 and -, starting with a "
        "letter, no - at the end and no --"
    )


def test_a_missing_secret() -> None:
    others = {key: value for key, value in SECRETS.items() if key != "jwtSecret"}
    assert "pulumi config set --secret aerodrome:jwtSecret" in failure(
        {"environment": "test"}, others
    )


def test_a_former_key_works_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    program = run_program({"environment": "test", "rung": "dedicated"}, SECRETS)
    assert program.outputs["tenancy"] == "dedicated"
    assert "aerodrome:rung is called aerodrome:tenancy now" in caplog.text


def test_both_names_of_a_key() -> None:
    both = {"environment": "test", "rung": "dedicated", "tenancy": "dedicated"}
    message = failure(both)
    assert "aerodrome:rung and aerodrome:tenancy are both set" in message
    assert "pulumi config rm aerodrome:rung" in message
