"""A public way is closed when the other one is known to lead somewhere, and not before."""

from typing import Any

import pytest

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.operations.bootstrap import requested_settings
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.bootstrap.tools import needed
from cli.operations.preflight import private_endpoint
from cli.operations.preflight.refusal import Refusal
from infra.contract import networks

PUBLIC = [{"endpointPublicAccess": True}]
CLOSED = [{"endpointPublicAccess": False}]
VPC = {
    networks.VPC: "vpc-0123456789abcdef0",
    networks.PRIVATE: '["subnet-00000001", "subnet-00000002"]',
}


class Aws:
    """EC2 with one worker, and Systems Manager."""

    def __init__(self, status: str) -> None:
        self.status = status

    def __call__(self, service: str) -> Any:
        return self

    def can_paginate(self, operation: str) -> bool:
        return False

    def describe_instances(self, **_: Any) -> dict[str, Any]:
        return {"Reservations": [{"Instances": [{"InstanceId": "i-1"}]}]}

    def describe_instance_information(self, **_: Any) -> dict[str, Any]:
        return {"InstanceInformationList": [{"InstanceId": "i-1", "PingStatus": self.status}]}


def there() -> str:
    return "session-manager-plugin"


def missing() -> str:
    raise UserError("session-manager-plugin is not on the PATH", "Install it.", "x --version")


def judged(
    deployed: list[dict[str, Any]], status: str = "Online", plugin: Any = there, **settings: str
) -> Refusal | None:
    plain = {f"aerodrome:{key}": value for key, value in settings.items()}
    requested = RequestedSettings(plain, {})
    return private_endpoint.check("prod", requested, deployed, lambda: Aws(status), plugin)


@pytest.mark.parametrize("access", ["public", "both"])
def test_a_public_way_asks_for_nothing(access: str) -> None:
    assert judged(PUBLIC, "ConnectionLost", missing, endpointAccess=access) is None


def test_the_first_deployment_needs_the_plugin_here() -> None:
    assert judged([], endpointAccess="private") is None
    refusal = judged([], plugin=missing, endpointAccess="private")
    assert refusal is not None
    shown = refusal.error(Environment("prod"))
    assert shown.exit_code == 2
    assert "Nothing was changed." in shown.detail
    # This machine may be in a VPC that is there already.
    assert judged([], plugin=missing, endpointAccess="private", **VPC) is None


def test_a_living_one_is_closed_when_a_worker_is_online() -> None:
    assert judged(PUBLIC, endpointAccess="private") is None
    refusal = judged(PUBLIC, "ConnectionLost", endpointAccess="private")
    assert refusal is not None
    assert refusal.summary == "No worker of aerodrome-prod is online in AWS Systems Manager"
    assert refusal.command(Environment("prod")) == (
        "./aerodrome config set endpointAccess both --env prod"
    )
    assert judged(PUBLIC, plugin=missing, endpointAccess="private") is not None


def test_one_that_is_private_already_is_not_asked_about_again() -> None:
    assert judged(CLOSED, "ConnectionLost", missing, endpointAccess="private") is None


def test_doctor_asks_for_the_plugin_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"prod": {"endpointAccess": "both"}, "dev": {}}

    def read(environment: Environment) -> RequestedSettings:
        plain = {f"aerodrome:{key}": value for key, value in settings[environment.name].items()}
        return RequestedSettings(plain, {})

    monkeypatch.setattr(requested_settings, "read", read)
    known = [Environment("prod"), Environment("dev")]
    assert private_endpoint.checks(known[1:], missing) == []
    (fine,) = private_endpoint.checks(known, there)
    assert (fine.ok, fine.name) == (True, "session-manager-plugin")
    (wrong,) = private_endpoint.checks(known, missing)
    assert not wrong.ok
    assert wrong.fix == "x --version"
    assert "of prod" in wrong.found


def test_bootstrap_asks_for_it_too() -> None:
    names = [[one.name for one in needed("1.36", sessions=on)] for on in (False, True)]
    assert "session-manager-plugin" not in names[0]
    assert names[1] == [*names[0], "session-manager-plugin"]
