"""What bootstrap decides from what it was told; AWS is in tests/bootstrap."""

import json
from pathlib import Path

import pytest
from botocore import exceptions

from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.operations.bootstrap import quotas, requested_settings, stack
from cli.operations.bootstrap.aws import refusals_explained
from cli.operations.bootstrap.quotas import ADDRESSES, Need, is_standard


@pytest.mark.parametrize(
    "kind", ["m7i.large", "t3.large", "c6g.xlarge", "i3.large", "im4gn.large", "z1d.large"]
)
def test_families_that_count_together(kind: str) -> None:
    assert is_standard(kind)


@pytest.mark.parametrize(
    "kind",
    [
        "g5.xlarge",
        "p4d.24xlarge",
        "inf2.xlarge",
        "hpc7a.12xlarge",
        "mac2.metal",
        "x2iedn.xlarge",
        "trn1.2xlarge",
    ],
)
def test_families_with_a_limit_of_their_own(kind: str) -> None:
    assert not is_standard(kind)


@pytest.mark.parametrize(
    ("used", "needed", "shortfall"), [(3, 2, 0), (4, 2, 1), (9, 2, 6), (0, 5, 0)]
)
def test_a_shortfall_is_what_the_limit_leaves_too_few(
    used: int, needed: int, shortfall: int
) -> None:
    need = Need(ADDRESSES, limit=5, used=used, needed=needed, most=needed)
    assert need.shortfall == shortfall


def test_limits_that_are_kept_are_no_matter() -> None:
    quotas.check([Need(ADDRESSES, 5, 0, 2, 2)], "eu-west-1")


def error(code: str) -> exceptions.ClientError:
    return exceptions.ClientError({"Error": {"Code": code, "Message": "because"}}, "CreateKey")


@pytest.mark.parametrize(
    ("raised", "exit_code", "says"),
    [
        (error("ExpiredToken"), 2, "have expired"),
        (error("ExpiredTokenException"), 2, "have expired"),
        (error("RequestExpired"), 2, "have expired"),
        (error("UnrecognizedClientException"), 2, "does not know these credentials"),
        (error("UnauthorizedOperation"), 1, "does not let you call CreateKey"),
        (error("InternalFailure"), 1, "AWS refused CreateKey"),
        (exceptions.NoCredentialsError(), 2, "no AWS credentials"),
        (exceptions.ProfileNotFound(profile="work"), 2, 'no AWS profile "work"'),
        (exceptions.UnauthorizedSSOTokenError(), 2, "have expired"),
        (exceptions.EndpointConnectionError(endpoint_url="x"), 1, "cannot be reached"),
    ],
)
def test_refusals_say_what_to_do(raised: Exception, exit_code: int, says: str) -> None:
    with pytest.raises(KitError) as caught, refusals_explained("work"):
        raise raised
    assert caught.value.exit_code == exit_code
    assert says in caught.value.summary
    assert caught.value.detail


def test_our_own_mistakes_stay_mistakes() -> None:
    with pytest.raises(exceptions.ParamValidationError), refusals_explained(None):
        raise exceptions.ParamValidationError(report="wrong")


def state(**latest: object) -> bytes:
    return json.dumps({"version": 3, "checkpoint": {"latest": latest}}).encode()


def test_a_stack_that_was_made_and_never_deployed_is_empty() -> None:
    assert stack._kept("dev", b'{"version": 3, "checkpoint": {"stack": "dev"}}').resources == 0


def test_a_stack_tells_what_encrypts_its_secrets() -> None:
    url = "awskms://alias/aerodrome-dev?region=eu-west-1"
    content = state(resources=[{}, {}], secrets_providers={"type": "cloud", "state": {"url": url}})
    found = stack._kept("dev", content)
    assert (found.resources, found.secrets_provider) == (2, url)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"deployment": {}}'])
def test_a_state_that_is_not_pulumis_is_an_error(content: bytes) -> None:
    with pytest.raises(KitError, match="cannot be read"):
        stack._kept("dev", content)


def test_a_login_elsewhere_is_refused_before_anything_is_made() -> None:
    ours = "s3://aerodrome-state-1-eu-west-1?region=eu-west-1"
    stack.check_login(ours, {})
    stack.check_login(ours, {stack.BACKEND_VARIABLE: ours})
    with pytest.raises(UserError, match="sends Pulumi to"):
        stack.check_login(ours, {stack.BACKEND_VARIABLE: "https://api.pulumi.com"})


def test_the_pulumi_cli_acts_as_the_profile_and_only_as_long() -> None:
    variables = {stack.PROFILE_VARIABLE: "home"}
    with stack.acting_as("work", "s3://x", variables):
        assert variables == {stack.PROFILE_VARIABLE: "work", stack.BACKEND_VARIABLE: "s3://x"}
    assert variables == {stack.PROFILE_VARIABLE: "home"}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setenv("AERODROME_STATE", str(tmp_path))
    found = Environment("sandbox-x")
    found.config_file.parent.mkdir(parents=True)
    return found


def test_requested_settings_are_the_file_the_command_line_and_the_defaults(
    environment: Environment,
) -> None:
    environment.config_file.write_text(
        'config:\n  aerodrome:nodeMax: "3"\n  aerodrome:spot: true\n'
        "  aerodrome:nodeInstanceTypes: '[\"m6i.large\"]'\n"
        "  aerodrome:adminPassword:\n    secure: v1:abc\n"
    )
    found = requested_settings.read(environment, ["nodeMax=2"])
    assert found.value("nodeMax") == 2
    assert found.value("spot") is True
    assert found.value("nodeInstanceTypes") == ("m6i.large",)
    assert found.value("nodeDesired") == 2
    assert "aerodrome:adminPassword" not in found.configured


def test_a_file_that_is_not_pulumis_is_named(environment: Environment) -> None:
    environment.config_file.write_text("config: [1, 2\n")
    with pytest.raises(UserError, match="is not a Pulumi configuration file"):
        requested_settings.read(environment)
