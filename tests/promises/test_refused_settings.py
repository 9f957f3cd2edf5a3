"""What AWS would refuse halfway through is refused by `preview` and `up` before anything is changed: exit 2, the thing
and the next command named, and nothing but questions asked of AWS.

The verbs, with the real Pulumi CLI and the sandbox's plugins, against the emulator.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from cli.base.environments import Environment
from cli.operations.preflight import checks
from tests.promises.aws_cloud import REGION, AwsStack, Emulator, Fault, Proxy
from tests.promises.test_node_size import PROGRAM
from tests.unit.cli.fakes import FakeSession

DEPLOYED = "1.34"
Verb = Callable[..., Result]


class Session(FakeSession):
    """The stack and the AWS of these tests; what asks AWS goes through the proxy, which counts."""

    stack: AwsStack
    url: str

    def backend(self, environment: Environment, cloud: Any = None) -> Any:
        return self.stack.driver()

    def client(self, region: str | None = None) -> Any:
        key = self.stack.emulator.key

        def make(service: str) -> Any:
            return boto3.client(  # type: ignore[call-overload]
                service,
                endpoint_url=self.url,
                region_name=region,
                aws_access_key_id=key["access_key_id"],
                aws_secret_access_key=key["secret_access_key"],
            )

        return make


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, emulator: Emulator) -> Iterator[AwsStack]:
    """A cluster with nodes; no test here changes it."""
    stack = AwsStack(tmp_path_factory.mktemp("standing"), emulator)
    stack.program(PROGRAM.replace("CHANGED", "{}").replace('"1.36"', f'"{DEPLOYED}"'))
    stack.up()
    yield stack
    stack.destroy()


@pytest.fixture
def session(
    standing: AwsStack, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Session:
    monkeypatch.setenv("AERODROME_STATE", str(tmp_path / "state"))
    made = Session(tmp_path)
    made.stack, made.url = standing, proxy.url
    return made


@pytest.fixture
def configure(standing: AwsStack) -> Iterator[Callable[[str, str], None]]:
    """Sets a key until the end of the test."""
    backend, keys = standing.driver(), []

    def change(key: str, value: str) -> None:
        keys.append(f"aerodrome:{key}")
        backend.set_plain({keys[-1]: value})

    change("kubernetesVersion", DEPLOYED)
    yield change
    for key in set(keys):
        backend.remove_config(key)


REFUSED = [
    ("vpcCidr", "198.18.0.0/16", "vpcCidr is 198.18.0.0/16", "10.20.0.0/16"),
    ("vpcCidr", "10.20.0.0/24", "must be between /16 and /22", "10.20.0.0/16"),
    ("kubernetesVersion", "1.40", "EKS does not offer Kubernetes 1.40 in us-east-1", "1.35"),
    (
        "kubernetesVersion",
        "1.33",
        f'"dev" runs Kubernetes {DEPLOYED}, and kubernetesVersion is 1.33',
        DEPLOYED,
    ),
    (
        "kubernetesVersion",
        "1.36",
        f'"dev" runs Kubernetes {DEPLOYED}, and kubernetesVersion is 1.36',
        "1.35",
    ),
    ("nodeInstanceTypes", '["m7i.huge"]', "m7i.huge cannot be had in us-east-1a", ""),
    (
        "nodeInstanceTypes",
        '["m7i.large", "m9z.large"]',
        "m9z.large cannot be had in us-east-1",
        '["m7a.large"]',
    ),
    (
        "nodeInstanceTypes",
        '["m7g.large"]',
        "m7g.large has another processor (arm64) than the images (x86_64)",
        '["m7a.large"]',
    ),
    ("taskNodeTypes", '["m7i.huge"]', "m7i.huge cannot be had in us-east-1a", ""),
    (
        "rancherInstanceType",
        "t4g.large",
        "t4g.large has another processor (arm64) than the images (x86_64)",
        "t3.large",
    ),
]


@pytest.mark.parametrize("verb", [("preview",), ("up", "--yes")], ids=["preview", "up"])
@pytest.mark.parametrize(("key", "value", "said", "instead"), REFUSED)
def test_it_is_refused_before_anything_is_changed(
    session: Session,
    proxy: Proxy,
    configure: Callable[[str, str], None],
    verb: tuple[str, ...],
    key: str,
    value: str,
    said: str,
    instead: str,
) -> None:
    if key.startswith("taskNode"):
        configure("taskNodes", "true")
    configure(key, value)
    state = session.stack.checkpoint.read_bytes()
    result = CliRunner().invoke(app, [*verb, "--env", "dev"], obj=session)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert "Nothing was changed." in result.stderr
    assert f"./aerodrome config set {key} " in result.stderr
    assert instead in result.stderr
    assert "Traceback" not in result.output
    assert session.stack.checkpoint.read_bytes() == state
    assert [call for call in proxy.calls if not call.startswith(("Describe", "GET "))] == []


def test_a_mirror_without_what_would_be_pulled_is_refused(
    session: Session, proxy: Proxy, configure: Callable[[str, str], None]
) -> None:
    mirror = f"000000000000.dkr.ecr.{REGION}.amazonaws.com/mirror"
    configure("rancherEnabled", "false")
    configure("monitoring", "metrics")
    configure("imageMirror", mirror)
    state = session.stack.checkpoint.read_bytes()
    result = CliRunner().invoke(app, ["up", "--yes", "--env", "dev"], obj=session)
    assert result.exit_code == 2, result.output
    assert f"The mirror {mirror} lacks debian, grafana" in result.stderr
    assert f"./aerodrome image public --mirror {mirror} --commands" in result.stderr
    assert session.stack.checkpoint.read_bytes() == state
    assert [call for call in proxy.calls if not call.startswith(("Describe", "GET "))] == []


def check(session: Session, *, refresh: bool = False) -> None:
    backend = session.backend(Environment("dev"))
    checks.check(session, Environment("dev"), backend, REGION, refresh=refresh)


def test_what_is_deployed_as_it_is_configured_is_not_asked_about(
    session: Session, proxy: Proxy, configure: Callable[[str, str], None]
) -> None:
    configure("rancherEnabled", "false")
    check(session)
    assert proxy.calls == []
    check(session, refresh=True)
    assert "DescribeInstanceTypeOfferings" in proxy.calls


def test_the_next_version_is_taken(
    session: Session, proxy: Proxy, configure: Callable[[str, str], None]
) -> None:
    configure("kubernetesVersion", "1.35")
    check(session)
    assert proxy.count("GET /cluster-versions") == 1


def test_what_aws_may_not_be_asked_stops_nothing(
    session: Session,
    proxy: Proxy,
    configure: Callable[[str, str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("kubernetesVersion", "1.35")
    proxy.faults = [
        Fault("GET /cluster-versions", "AccessDeniedException", 403),
        Fault("DescribeAvailabilityZones", "UnauthorizedOperation", 403),
    ]
    check(session)
    said = capsys.readouterr().err
    assert "AWS refuses to list the versions of Kubernetes that EKS offers: AccessDenied" in said
    assert "AWS refuses to list the instance types of the region: UnauthorizedOp" in said
