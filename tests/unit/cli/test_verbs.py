"""Every verb: its help, its JSON, its exit codes, and what it leaves behind."""

import json
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from cli.app import app
from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.record import Record
from infra.contract import metrics
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeCloud, FakeSession


def _verbs(command: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        return [path]
    return [verb for name, sub in inner.items() for verb in _verbs(sub, (*path, name))]


VERBS = _verbs(typer.main.get_command(app))
TAGGED = {"Tags": [{"Key": "aerodrome:environment", "Value": "sandbox"}]}


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_has_a_help_with_an_example_and_json(verb: tuple[str, ...], run: Run) -> None:
    result = run(*verb, "--help")
    assert result.exit_code == 0
    assert f"Example:\n    aerodrome {' '.join(verb)}" in result.stdout
    assert "--json" in result.stdout


def test_up_deploys_proves_and_says_what_next(run: Run) -> None:
    result = run("up")
    assert result.exit_code == 0, result.output
    assert "deployed: 5 create" in result.stdout
    assert "http://localhost:8080" in result.stdout
    assert "./aerodrome config get adminPassword --show" in result.stdout
    assert "s3://logs/sandbox/dag_id=aerodrome_proof/" in result.stdout
    for phase in ("sandbox", "deployment", "proof", "total"):
        assert f"\n{phase} " in result.stdout
    assert "[2/3] deployment" in result.stderr
    assert "Start etcd (1.5 s)" in result.stderr


def test_up_as_json_is_one_document(run_json: Callable[..., Any]) -> None:
    data = run_json("up")
    assert data["changed"] is True
    assert data["changes"] == {"create": 5, "same": 0}
    assert data["proof"]["dag"] == "aerodrome_proof"
    assert [phase["name"] for phase in data["phases"]] == ["sandbox", "deployment", "proof"]


def test_a_second_up_changes_nothing_and_proves_nothing_anew(
    run: Run, run_json: Callable[..., Any], session: FakeSession
) -> None:
    first = run_json("up")
    session.fake_airflow.calls.clear()
    session.console.json = False
    result = run("up")
    assert "nothing to change" in result.stdout
    assert first["proof"]["run"] in result.stdout
    assert session.fake_airflow.calls == []


def test_up_with_proof_runs_the_dag_again(
    run_json: Callable[..., Any], session: FakeSession
) -> None:
    run_json("up")
    session.fake_airflow.calls.clear()
    assert run_json("up", "--proof")["provedNow"] is True
    assert "trigger" in session.fake_airflow.calls


def test_an_up_that_was_killed_before_its_proof_is_proved_by_the_next(
    run_json: Callable[..., Any], session: FakeSession
) -> None:
    session.fake_airflow.end = "failed"
    run_json("up", exit_code=1)
    session.fake_airflow.end = "success"
    data = run_json("up")
    assert data["changed"] is False
    assert data["provedNow"] is True


def test_the_seconds_of_set_up_are_in_the_table(
    run_json: Callable[..., Any], session: FakeSession
) -> None:
    session._environ = {"AERODROME_SETUP_SECONDS": "12.5"}
    assert run_json("up")["phases"][0] == {"name": "set-up", "seconds": 12.5}


@pytest.mark.parametrize("verb", [("up",), ("sandbox", "up")])
def test_the_port_of_the_ui_can_be_chosen(
    verb: tuple[str, ...], run_json: Callable[..., Any], session: FakeSession
) -> None:
    run_json(*verb, "--ui-port", "9001")
    assert session.fake_machine.sandbox is not None
    assert session.fake_machine.sandbox.instance.ui_port == 9001


def test_a_port_that_is_none(run: Run, session: FakeSession) -> None:
    session._environ = {"AERODROME_UI_PORT": "http"}
    result = run("up")
    assert result.exit_code == 2
    assert "AERODROME_UI_PORT=http is no port" in result.stderr


def test_up_makes_the_secrets_once(run_json: Callable[..., Any], session: FakeSession) -> None:
    run_json("up")
    before = dict(session.fake_backend.values)
    assert before["aerodrome:uiServiceType"] == "NodePort"
    run_json("up")
    assert session.fake_backend.values == before


def test_up_refuses_what_the_sandbox_cannot_have(run: Run, session: FakeSession) -> None:
    assert run("up").exit_code == 0
    assert session.fake_backend.values["aerodrome:grafana"] == "false"
    session.fake_backend.values["aerodrome:grafana"] = "true"
    result = run("up")
    assert result.exit_code == 2
    assert "cannot have grafana true" in result.stderr
    assert "./aerodrome config rm grafana --env " in result.stderr


def test_a_failing_proof_shows_the_failing_tasks_log(run: Run, session: FakeSession) -> None:
    session.fake_airflow.end = "failed"
    result = run("up")
    assert result.exit_code == 1
    assert 'Task "load" of DAG aerodrome_proof failed' in result.stderr
    assert "ZeroDivisionError: division by zero" in result.stderr
    assert "--task load" in result.stderr


def test_the_state_of_an_earlier_sandbox_is_forgotten(
    run_json: Callable[..., Any], session: FakeSession
) -> None:
    run_json("up")
    session.fake_machine.sandbox = None
    data = run_json("up")
    assert "forget" in session.fake_backend.calls
    assert data["changes"] == {"create": 5, "same": 0}


def test_down_waits_for_tasks_destroys_and_takes_the_sandbox_away(
    run_json: Callable[..., Any], session: FakeSession
) -> None:
    run_json("up")
    data = run_json("down")
    assert data["changes"] == {"delete": 5}
    assert data["inventory"] == []
    assert data["sandboxKept"] == ""
    assert "pause_all" in session.fake_airflow.calls
    assert session.fake_machine.sandbox is None
    assert Record.read(Environment("sandbox")) is None


def test_down_twice_is_fine(run: Run, run_json: Callable[..., Any], session: FakeSession) -> None:
    run_json("up")
    run_json("down")
    session.console.json = False
    result = run("down")
    assert result.exit_code == 0
    assert 'environment "sandbox" was not deployed' in result.stdout


@pytest.mark.parametrize("verb", [("down",), ("status",), ("outputs",), ("config", "list")])
def test_looking_at_nothing_leaves_nothing_behind(
    verb: tuple[str, ...], run: Run, folders: Any
) -> None:
    assert run(*verb).exit_code == 0
    assert not (folders / "state").exists()


def test_down_without_airflow_goes_on(run_json: Callable[..., Any], session: FakeSession) -> None:
    run_json("up")
    session.fake_airflow.reachable = False
    assert run_json("down")["changes"] == {"delete": 5}


def test_down_when_the_sandbox_is_gone_forgets_the_state(
    run_json: Callable[..., Any], session: FakeSession
) -> None:
    run_json("up")
    session.fake_machine.sandbox = None
    assert run_json("down")["forgotten"] is True
    assert "destroy" not in session.fake_backend.calls


def test_down_names_what_is_left_and_keeps_the_sandbox(run: Run, session: FakeSession) -> None:
    run("up")
    session.fake_cloud = FakeCloud({"describe_vpcs": [{"Vpcs": [{"VpcId": "vpc-1", **TAGGED}]}]})
    result = run("down")
    assert result.exit_code == 1
    assert "ec2 vpc vpc-1 (arn:aws:ec2:us-east-1:000000000000:vpc/vpc-1)" in result.stderr
    assert "aws ec2 describe-vpcs --vpc-ids vpc-1" in result.stderr
    assert session.fake_machine.sandbox is not None


def test_down_keeps_a_sandbox_that_another_environment_needs(
    run_json: Callable[..., Any], session: FakeSession
) -> None:
    run_json("up")
    Record("default", "x").write(Environment("sandbox-two"))
    assert "sandbox-two" in run_json("down")["sandboxKept"]
    assert session.fake_machine.sandbox is not None


def test_down_can_keep_the_sandbox(run_json: Callable[..., Any], session: FakeSession) -> None:
    run_json("up")
    assert run_json("down", "--keep-sandbox")["sandboxKept"] == "as you asked"
    assert session.fake_machine.sandbox is not None


def test_what_the_sandbox_leaves_on_the_machine_is_named(run: Run, session: FakeSession) -> None:
    run("up")
    session.fake_machine.left = [SimpleNamespace(kind="mount", what="/somewhere")]
    result = run("down")
    assert result.exit_code == 1
    assert "mount /somewhere" in result.stderr


def test_preview_needs_the_sandbox(run: Run) -> None:
    result = run("preview")
    assert result.exit_code == 2
    assert 'The sandbox "default" is not up' in result.stderr


def test_preview_changes_nothing(run_json: Callable[..., Any], session: FakeSession) -> None:
    run_json("sandbox", "up")
    assert run_json("preview")["changes"] == {"create": 5, "same": 0}
    assert session.fake_backend.there == 0


def test_status_of_nothing(run: Run, run_json: Callable[..., Any]) -> None:
    result = run("status")
    assert result.exit_code == 0
    assert "environment sandbox: not deployed" in result.stdout
    assert "sandbox default: not up" in result.stdout
    assert run_json("status")["sandbox"]["up"] is False


def test_status_of_a_deployment(
    run: Run, run_json: Callable[..., Any], session: FakeSession
) -> None:
    run_json("up")
    data = run_json("status")
    assert data["resources"] == 5
    assert data["airflow"]["scheduler"] == "healthy"
    assert data["sandbox"]["processes"] == [{"name": "etcd", "pid": 7, "state": "ready"}]
    session.console.json = False
    assert "1.00 GiB of memory" in run("status").stdout


def test_status_when_airflow_does_not_answer(
    run_json: Callable[..., Any], session: FakeSession
) -> None:
    run_json("up")
    session.fake_airflow.reachable = False
    assert run_json("status")["airflow"] == {"error": "Airflow does not answer"}


def test_outputs_mask_secrets(run_json: Callable[..., Any]) -> None:
    run_json("up")
    assert run_json("outputs")["kubeconfig"] == "[secret]"
    assert run_json("outputs", "--show-secrets")["kubeconfig"] == "clear text"


def test_open_prints_the_address(run: Run, run_json: Callable[..., Any]) -> None:
    assert run("open", "--print").exit_code == 2
    run_json("up")
    assert run_json("open", "--print") == {"url": "http://localhost:8080", "opened": False}


def test_open_flower_says_what_is_missing(run: Run, run_json: Callable[..., Any]) -> None:
    run_json("up")
    refused = run("open", "--flower", "--print")
    assert refused.exit_code == 2
    assert 'error: "sandbox" has no Flower' in refused.stderr
    assert "./aerodrome config set executor CeleryExecutor" in refused.stderr


def test_open_grafana_says_that_a_sandbox_has_none(
    run: Run, run_json: Callable[..., Any], session: FakeSession
) -> None:
    run_json("up")
    session.fake_kubernetes.secrets[metrics.SECRET] = {"data": {}}
    session.fake_kubernetes.service = None
    refused = run("open", "grafana")
    assert refused.exit_code == 2
    assert 'error: "sandbox" has no Grafana' in refused.stderr
    assert "images from its own registry" in refused.stderr
    assert "./aerodrome metrics" in refused.stderr
    assert "config set grafana" not in refused.stderr


def test_open_kibana_leads_to_the_environments_lines(
    run: Run, run_json: Callable[..., Any], session: FakeSession
) -> None:
    run_json("up")
    refused = run("open", "kibana")
    assert refused.exit_code == 2
    assert 'error: "sandbox" has no Kibana' in refused.stderr
    assert "./aerodrome config set kibanaUrl https://KIBANA" in refused.stderr
    session.fake_backend.values["aerodrome:kibanaUrl"] = "https://kibana.example.com/s/data/"
    found = run_json("open", "kibana", "--print")
    assert found == {
        "url": "https://kibana.example.com/s/data/app/discover#/?_g=(time:(from:now-1d,to:now))"
        "&_a=(index:aerodrome-logs,columns:!(level,dag_id,task_id,message),"
        "query:(language:kuery,query:'environment:%22sandbox%22'),sort:!(!('@timestamp',desc)))",
        "opened": False,
    }


def test_metrics_say_what_is_missing(run: Run, run_json: Callable[..., Any]) -> None:
    run_json("up")
    refused = run("metrics")
    assert refused.exit_code == 2
    assert 'error: "sandbox" has no metrics' in refused.stderr
    assert "./aerodrome config set monitoring metrics --env sandbox" in refused.stderr
    both = run("metrics", "--watch", "--json")
    assert both.exit_code == 2
    assert "exclude each other" in both.stdout + both.stderr


def test_proof_runs_the_dag(run_json: Callable[..., Any]) -> None:
    run_json("up")
    data = run_json("proof")
    assert data["tasks"] == ["extract", "load"]
    assert data["log_lines"] == 2


def test_inventory_lists_what_belongs_to_the_environment(
    run_json: Callable[..., Any], session: FakeSession
) -> None:
    run_json("sandbox", "up")
    assert run_json("inventory") == []
    session.fake_cloud = FakeCloud({"describe_vpcs": [{"Vpcs": [{"VpcId": "vpc-1", **TAGGED}]}]})
    assert run_json("inventory")[0]["kind"] == "ec2 vpc"


def test_inventory_fails_over_what_the_kit_does_not_know(
    run: Run, run_json: Callable[..., Any], session: FakeSession
) -> None:
    run_json("sandbox", "up")
    arn = "arn:aws:ec2:us-east-1:000000000000:network-acl/acl-1"
    tagged = {"ResourceTagMappingList": [{"ResourceARN": arn, **TAGGED}]}
    session.fake_cloud = FakeCloud({"get_resources": [tagged]})
    (found,) = run_json("inventory", exit_code=1)
    assert (found["arn"], found["known"]) == (arn, False)
    session.console.json = False
    assert f"{arn} (not known to this kit)" in run("inventory").stdout


def test_sandbox_down_refuses_while_something_is_deployed(
    run: Run, run_json: Callable[..., Any], session: FakeSession
) -> None:
    run_json("up")
    session.console.json = False
    refused = run("sandbox", "down")
    assert refused.exit_code == 2
    assert "The sandbox carries sandbox" in refused.stderr
    assert run_json("sandbox", "down", "--force")["forgotten"] == ["sandbox"]
    assert session.fake_backend.there == 0


def test_a_sandbox_that_is_forced_away_takes_a_half_done_down_along(
    run: Run, run_json: Callable[..., Any], session: FakeSession
) -> None:
    run_json("up")
    session.fake_cloud = FakeCloud({"describe_vpcs": [{"Vpcs": [{"VpcId": "vpc-1", **TAGGED}]}]})
    session.console.json = False
    assert run("down").exit_code == 1
    refused = run("up")
    assert refused.exit_code == 2
    assert 'Environment "sandbox" is partly destroyed' in refused.stderr
    assert run("sandbox", "down", "--force").exit_code == 0
    assert run("up").exit_code == 0


def test_sandbox_verbs_take_a_name(run_json: Callable[..., Any]) -> None:
    assert run_json("sandbox", "status", "--name", "other")["name"] == "other"


def test_logs_of_a_process(run: Run, run_json: Callable[..., Any], session: FakeSession) -> None:
    run_json("sandbox", "up")
    folder = session.fake_machine.root / "logs"
    folder.mkdir()
    (folder / "etcd.log").write_text("one\ntwo\nthree\n")
    session.console.json = False
    assert run("logs", "etcd", "--lines", "2").stdout == "two\nthree\n"
    unknown = run("logs", "etcdd")
    assert unknown.exit_code == 2
    assert "Processes: etcd." in unknown.stderr


def test_logs_of_a_task(run_json: Callable[..., Any]) -> None:
    run_json("up")
    data = run_json("logs", "--task", "load", "--run", "r1")
    assert (
        data["uri"]
        == "s3://logs/sandbox/dag_id=aerodrome_proof/run_id=r1/task_id=load/attempt=1.log"
    )
    assert data["lines"] == ["one", "two"]


def test_a_search_of_logs_says_what_is_missing(run: Run, run_json: Callable[..., Any]) -> None:
    run_json("up")
    refused = run("logs", "--search", "timeout")
    assert refused.exit_code == 2
    assert 'error: The logs of "sandbox" cannot be searched' in refused.stderr
    assert "./aerodrome config set monitoring logs --env sandbox" in refused.stderr
    assert '"yesterday" is no time' in run("logs", "--search", "x", "--since", "yesterday").stderr
    assert run("logs", "scheduler", "--since", "1h").exit_code == 2


def test_logs_wants_one_thing(run: Run) -> None:
    assert run("logs").exit_code == 2
    assert run("logs", "scheduler", "--task", "x").exit_code == 2


def test_an_environment_on_aws_needs_the_pulumi_cli(
    run: Run, monkeypatch: pytest.MonkeyPatch, session: FakeSession, folders: Any
) -> None:
    monkeypatch.setenv("PATH", str(folders))
    session.backend = super(FakeSession, session).backend  # type: ignore[method-assign]
    result = run("up", "--env", "dev", "--yes")
    assert result.exit_code == 2
    assert 'Environment "dev" needs the Pulumi CLI' in result.stderr


@pytest.mark.parametrize("name", ["Foo", "a/b", "", "-a", "a-", "a--b", "x" * 29, "ä", "a b"])
def test_bad_environment_names_are_refused_and_nothing_is_called(
    name: str, run: Run, session: FakeSession
) -> None:
    result = run("up", "--env", name)
    assert result.exit_code == 2
    assert f'"{name}" is no name for an environment' in result.stderr
    assert session.fake_machine.lives == 0


@pytest.mark.parametrize(("error", "code"), [(KitError, 1), (UserError, 2)])
def test_errors_say_what_why_and_what_next(
    error: type[KitError], code: int, run: Run, session: FakeSession
) -> None:
    session.fake_backend.error = error("Bucket name taken", "It is another's.", "do this")
    result = run("up")
    assert result.exit_code == code
    assert "error: Bucket name taken\n  It is another's.\n\n    do this\n" in result.stderr
    assert "Traceback" not in result.output


def test_errors_as_json(run_json: Callable[..., Any], session: FakeSession) -> None:
    session.fake_backend.error = KitError("What", "why", "next")
    data = run_json("up", exit_code=1)
    told = {"code": "KitError", "summary": "What", "detail": "why", "command": "next"}
    assert data == {"result": "failed", "error": told}


def test_a_bug_goes_to_a_file(run: Run, session: FakeSession, folders: Any) -> None:
    session.fake_backend.error = ZeroDivisionError("oops")
    result = run("up")
    assert result.exit_code == 1
    assert "this is a bug in aerodrome: ZeroDivisionError: oops" in result.stderr
    assert "Traceback" not in result.output
    (crash,) = (folders / "state" / "crashes").iterdir()
    assert "Traceback" in crash.read_text()
    assert str(crash) in result.stderr


def test_debug_shows_the_traceback(run: Run, session: FakeSession) -> None:
    session.fake_backend.error = ZeroDivisionError("oops")
    assert "Traceback" in run("--debug", "up").stderr


def test_an_interruption_says_how_to_go_on(run: Run, session: FakeSession) -> None:
    session.fake_backend.error = KeyboardInterrupt()  # type: ignore[assignment]
    result = run("up")
    assert result.exit_code == 130
    assert "the same command continues from here" in result.stderr


def test_wrong_usage_is_exit_2_without_a_traceback(run: Run) -> None:
    for arguments in (["upp"], ["up", "--nope"], ["config", "get"], ["logs", "--lines", "x"]):
        result = run(*arguments)
        assert result.exit_code == 2, arguments
        assert "Traceback" not in result.output


def test_no_color_and_no_terminal_mean_plain_text(run: Run) -> None:
    assert "\x1b" not in run("up").output


def test_doctor_changes_nothing_and_names_fixes(run: Run, run_json: Callable[..., Any]) -> None:
    checks = json.loads(run("doctor", "--json").stdout)
    assert {"root", "nft", "port 8080"} <= {check["name"] for check in checks}
    assert all(check["fix"] for check in checks if not check["ok"])


def test_doctor_names_a_kubernetes_that_rancher_does_not_manage(run: Run) -> None:
    def versions() -> Any:
        result = run("doctor", "--json")
        (found,) = (one for one in json.loads(result.stdout) if one["name"] == "versions")
        return found, result.exit_code

    assert versions()[0]["ok"]
    file = Environment("sandbox").config_file
    file.parent.mkdir(parents=True)
    file.write_text('config:\n  aerodrome:kubernetesVersion: "1.33"\n')
    found, code = versions()
    assert code == 2
    assert (
        "sandbox has Kubernetes 1.33: Rancher 2.15 takes Kubernetes 1.34 to 1.36" in found["found"]
    )
    assert found["fix"] == "./aerodrome config set kubernetesVersion 1.36 --env sandbox"
    file.write_text(
        'config:\n  aerodrome:kubernetesVersion: "1.33"\n  aerodrome:rancherEnabled: false\n'
    )
    assert versions()[0]["ok"]


def test_doctor_asks_eks_whether_it_takes_the_version(run: Run, session: FakeSession) -> None:
    run("up")
    assert session.cloud(Environment("sandbox")).is_up()
    file = Environment("sandbox").config_file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('config:\n  aerodrome:kubernetesVersion: "1.34"\n')
    session.fake_cloud.kubernetes = "1.36"
    result = run("doctor", "--json")
    (found,) = (one for one in json.loads(result.stdout) if one["name"] == "versions")
    assert result.exit_code == 2
    assert '"sandbox" runs Kubernetes 1.36, and kubernetesVersion is 1.34' in found["found"]
    assert found["fix"] == "./aerodrome config set kubernetesVersion 1.36 --env sandbox"


def test_only_a_dedicated_environment_is_held_against_what_aws_offers(
    run: Run, session: FakeSession
) -> None:
    assert run("up").exit_code == 0
    session.fake_cloud.answers = {"describe_instance_type_offerings": [{}]}
    result = run("up")
    assert result.exit_code == 2
    assert "m7i.large cannot be had in us-east-1a" in result.stderr
    assert run("up", "--branch", "feature").exit_code == 0


def test_outputs_of_what_is_not_deployed(run: Run, run_json: Callable[..., Any]) -> None:
    assert run("outputs").stdout == 'environment "sandbox" is not deployed\n'
    assert run_json("outputs") == {}


def test_a_base_gets_no_end_by_an_extension(
    run: Run, run_json: Callable[..., Any], session: FakeSession
) -> None:
    run_json("up")
    session.console.json = False
    day = (session.today() + timedelta(days=3)).isoformat()
    result = run("extend", "--days", "3")
    assert result.exit_code == 2
    assert "kept until somebody destroys it" in result.stderr
    assert f" extend --until {day}" in result.stderr
    assert "aerodrome:expires" not in session.fake_backend.values
    role = {"RoleName": "aerodrome-sandbox-airflow-1a2b3c4", "Path": "/aerodrome/sandbox/"}
    session.fake_cloud.answers = {"list_roles": [{"Roles": [role]}]}
    assert run("extend", "--until", day).exit_code == 0
    (tagged,) = session.fake_cloud.tagged
    assert tagged["RoleName"] == role["RoleName"]


def test_a_branch_s_database_writes_its_log_in_the_base(
    run: Run, run_json: Callable[..., Any], session: FakeSession
) -> None:
    run_json("up")
    session.fake_checkout.current = "feature/login"
    run_json("up")
    result = run("logs", "database")
    assert result.exit_code == 2
    assert "./aerodrome logs --env sandbox database" in result.stderr
