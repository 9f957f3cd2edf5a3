"""What the session makes on demand: by where the environment is."""

from pathlib import Path

import pytest

from cli.base.console import Console
from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.lease_stores import FileStore
from cli.base.values import Secret
from cli.session import Session
from tests.unit.cli.fakes import FakeSession


@pytest.fixture
def session() -> Session:
    return Session(Console(), {})


def test_kubectl_of_a_sandbox_is_its_own_with_its_administrator(tmp_path: Path) -> None:
    session = FakeSession(tmp_path)
    session.fake_machine.up("default", report=lambda _: None, ui_port=1)
    kubernetes = Session.sandbox_cloud(session, Environment("sandbox")).kubernetes("airflow-x", {})
    assert session.fake_machine.sandbox is not None
    assert kubernetes.kubeconfig == session.fake_machine.sandbox.instance.admin_kubeconfig
    assert kubernetes.namespace == "airflow-x"
    assert Path(kubernetes.program).name == "kubectl"
    assert Path(kubernetes.program).is_absolute()


def test_kubectl_on_aws_is_the_user_s_with_the_stack_s_kubeconfig(session: Session) -> None:
    cloud = session.cloud(Environment("dev"))
    kubernetes = cloud.kubernetes("airflow", {"kubeconfig": Secret("apiVersion: v1")})
    assert (kubernetes.kubeconfig, kubernetes.program) == ("apiVersion: v1", "kubectl")
    assert "apiVersion" not in repr(kubernetes)
    with pytest.raises(UserError, match='There is no "kubeconfig" yet'):
        cloud.kubernetes("airflow", {})


def test_clients_on_aws_are_for_the_environment_s_region(session: Session) -> None:
    client = session.cloud(Environment("dev")).client("eu-north-1")
    assert client("s3").meta.region_name == "eu-north-1"


def test_the_lease_of_a_sandbox_environment_is_a_file(session: Session) -> None:
    store = session.cloud(Environment("sandbox-x")).lease_store("us-east-1")
    assert isinstance(store, FileStore)


def test_environments_of_this_machine_are_those_with_a_configuration(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    file = Environment("sandbox-x").config_file
    file.parent.mkdir(parents=True)
    file.write_text("")
    assert [item.name for item in session.environments()] == ["sandbox", "sandbox-x"]
