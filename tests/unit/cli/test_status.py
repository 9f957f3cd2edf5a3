"""`aerodrome status`: the access keys that it tells of."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from cli.stack.backends import Found
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeSession


def test_status_tells_how_old_the_access_key_is(
    run: Run, run_json: Callable[..., Any], session: FakeSession
) -> None:
    run_json("up")
    assert run_json("status")["accessKeys"] == []
    made = (session.today() - timedelta(days=91)).isoformat()
    session.fake_backend.others = [
        Found("aws:iam/accessKey:AccessKey", "dev-rancher", "u", "AKIA", f"{made}T10:00:00Z"),
        Found("aws:iam/accessKey:AccessKey", "dev-other", "u", "AKIB"),
    ]
    known = {"secret": "dev-rancher", "made": made, "days": 91, "usedBy": ["Rancher"]}
    assert run_json("status")["accessKeys"][0] == known
    session.console.json = False
    text = run("status").stdout
    assert "access key       dev-rancher: 91 days old, of Rancher" in text
    assert "dev-other: of unknown age" in text
    assert "AKIA" not in text
