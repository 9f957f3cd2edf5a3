"""The main job, once, in order: up, look, break, up again, down, and nothing is left.

One module, one sandbox: each test goes on where the one before it stopped. If one fails,
those after it say so instead of failing in confusing ways.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.cloud.image_content import ImageContent, Reference
from tests.end_to_end.host import Host, look
from tests.end_to_end.kit import ROOT, UP_SECONDS, Kit
from tests.image_search import Search

SECRETS = ("adminPassword", "fernetKey", "jwtSecret", "databasePassword", "apiSecretKey")
ACCESS_KEY = re.compile(r"(AKIA|ASIA)[A-Z0-9]{16}")

_stopped: list[str] = []


@pytest.fixture(autouse=True)
def in_order(request: pytest.FixtureRequest) -> Any:
    """Only the tests that build on `up` need it to have worked."""
    if _stopped:
        pytest.skip(f"{_stopped[0]} failed")
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed and request.node.name.startswith("test_up_"):
        _stopped.append(request.node.name)


def test_up_from_nothing_ends_with_a_green_run(kit: Kit, first: dict[str, Any]) -> None:
    assert first["changed"] is True
    assert first["changes"]["create"] > 60
    assert first["provedNow"] is True
    assert first["proof"]["dag"] == "aerodrome_proof"
    assert [phase["name"] for phase in first["phases"]] == ["sandbox", "deployment", "proof"]


def test_the_ui_answers_where_it_was_said_to_be(kit: Kit, first: dict[str, Any]) -> None:
    assert first["url"] == f"http://localhost:{kit.port}"
    for url in (first["url"], first["nodeUrl"]):
        answer = httpx.get(url, follow_redirects=True, trust_env=False)
        assert answer.status_code == 200
        assert "<html" in answer.text


def test_the_password_opens_it(kit: Kit, first: dict[str, Any]) -> None:
    assert kit.json("config", "get", "adminPassword")["value"] == "[secret]"
    password = kit.json("config", "get", "adminPassword", "--show")["value"]
    login = {"username": kit.json("outputs")["adminUser"], "password": password}
    assert _login(first["url"], login) == 201
    assert _login(first["url"], login | {"password": "wrong"}) == 401


def _login(url: str, login: dict[str, str]) -> int:
    return httpx.post(f"{url}/auth/token", json=login, trust_env=False).status_code


def test_the_log_is_in_the_bucket(kit: Kit, first: dict[str, Any]) -> None:
    bucket, _, key = first["proof"]["log_uri"].removeprefix("s3://").partition("/")
    text = kit.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    assert "aerodrome: the sum is 28" in text


def test_the_log_comes_back_through_the_command_line(kit: Kit, first: dict[str, Any]) -> None:
    data = kit.json("logs", "--task", "summarise", "--run", first["proof"]["run"])
    assert data["uri"] == first["proof"]["log_uri"]
    assert any("the sum is 28" in line for line in data["lines"])
    assert kit.json("logs", "scheduler", "--lines", "5")["lines"]
    assert kit.json("logs", "kubelet", "--lines", "5")["lines"]


def test_each_task_ran_in_a_pod_of_its_own(kit: Kit) -> None:
    events = json.loads(kit.kubectl("get", "events", "--all-namespaces", "--output=json"))
    pods = {
        event["involvedObject"]["name"]
        for event in events["items"]
        if event["involvedObject"]["kind"] == "Pod" and event["reason"] == "Started"
    }
    tasks = {name for name in pods if name.startswith("aerodrome-proof-")}
    assert len(tasks) >= 2, sorted(pods)


def test_a_second_up_changes_nothing(kit: Kit) -> None:
    second = kit.json("up")
    assert second["changed"] is False
    assert second["provedNow"] is False
    assert set(second["changes"]) <= {"same", "read"}


def test_preview_has_nothing_to_show(kit: Kit) -> None:
    assert kit.json("preview")["changed"] is False


def test_status_is_well(kit: Kit) -> None:
    data = kit.json("status")
    assert data["deployed"] is True
    assert data["airflow"]["scheduler"] == "healthy"
    assert data["airflow"]["metadatabase"] == "healthy"
    assert all(process["state"] == "ready" for process in data["sandbox"]["processes"])


def _access_keys(kit: Kit) -> set[str]:
    """Identifier and secret of the account's root: all others are derived from it."""
    keys = json.loads((kit.root / "aws" / "root.json").read_text())
    return {keys["access_key_id"], keys["secret_access_key"]}


def test_no_access_key_is_in_the_cluster(kit: Kit) -> None:
    objects = kit.kubectl(
        "get", "pods,configmaps,deployments,statefulsets,jobs", "-A", "--output=json"
    )
    secrets = json.loads(kit.kubectl("get", "secrets", "--all-namespaces", "--output=json"))
    decoded = objects + _decoded(secrets)
    assert not [key for key in _access_keys(kit) if key in decoded]
    assert not ACCESS_KEY.search(decoded)
    assert "AWS_SECRET_ACCESS_KEY" not in decoded


def _decoded(secrets: dict[str, Any]) -> str:
    import base64
    import gzip

    texts = []
    for secret in secrets["items"]:
        for value in (secret.get("data") or {}).values():
            raw = base64.b64decode(value)
            if secret["type"] == "helm.sh/release.v1":
                raw = gzip.decompress(base64.b64decode(raw))
            texts.append(raw.decode(errors="replace"))
    return "\n".join(texts)


def test_no_access_key_is_in_a_running_pod(kit: Kit) -> None:
    pods = json.loads(kit.kubectl("get", "pods", "--namespace=airflow", "--output=json"))["items"]
    running = [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] == "Running"]
    assert len(running) >= 4
    for name in running:
        environment = kit.kubectl("exec", "--namespace=airflow", name, "--", "env")
        assert "AWS_SECRET_ACCESS_KEY" not in environment, name
        assert not [key for key in _access_keys(kit) if key in environment], name


def _images(kit: Kit) -> Iterator[ImageContent]:
    """Every image of the kit's that has a tag in the registry, branches' included."""
    ecr = kit.client("ecr")
    for repository in ecr.describe_repositories()["repositories"]:
        name = repository["repositoryName"]
        for digest in {
            one["imageDigest"] for one in ecr.list_images(repositoryName=name)["imageIds"]
        }:
            host = repository["repositoryUri"].partition("/")[0]
            yield ImageContent(ecr, Reference(host, name, digest))


def test_no_secret_is_in_an_image(kit: Kit) -> None:
    """Neither in what it is configured with nor in a layer, also where one above deletes it."""
    masked = [key for key, value in kit.json("config", "list").items() if value == "[secret]"]
    secrets = {key: str(kit.json("config", "get", key, "--show")["value"]) for key in masked}
    assert {key.rpartition(":")[2] for key in secrets} >= set(SECRETS)
    keys = {f"access key {number}": key for number, key in enumerate(_access_keys(kit))}
    search = Search(secrets | keys)
    images = list(_images(kit))
    assert len(images) >= 2
    assert not [one for image in images for one in search.findings(image)]
    assert search.files > 10_000


def test_no_access_key_is_in_a_chart_or_an_image_s_sources() -> None:
    for folder in ("charts", "images"):
        for file in (ROOT / folder).rglob("*"):
            if file.is_file():
                assert not ACCESS_KEY.search(file.read_text(errors="replace")), file


def test_the_state_has_no_secret_in_clear(kit: Kit) -> None:
    text = kit.checkpoint.read_text()
    for name in SECRETS:
        value = kit.json("config", "get", name, "--show")["value"]
        assert value not in text
    assert "BEGIN RSA PRIVATE KEY" not in text


def test_a_changed_setting_is_shown_and_then_done(kit: Kit) -> None:
    kit.json("config", "set", "taskLogDays", "30")
    assert kit.json("preview")["changes"].get("update", 0) >= 1
    done = kit.json("up", seconds=UP_SECONDS)
    assert done["changes"].get("update", 0) >= 1
    assert done["provedNow"] is True


def test_the_fernet_key_is_replaced_while_airflow_is_asked(kit: Kit, first: dict[str, Any]) -> None:
    url, old = first["url"], kit.json("config", "get", "fernetKey", "--show")["value"]
    password = kit.json("config", "get", "adminPassword", "--show")["value"]
    login = {"username": kit.json("outputs")["adminUser"], "password": password}
    token = httpx.post(f"{url}/auth/token", json=login, trust_env=False).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{url}/api/v2", headers=headers, trust_env=False) as client:
        connection = {"connection_id": "crm", "conn_type": "http", "password": "crm-Passw0rd"}
        made = client.post("/connections", json={**connection, "extra": '{"k": "v"}'})
        assert made.status_code == 201, made.text
        variable = {"key": "count", "value": "0"}
        assert client.post("/variables", json=variable).status_code == 201
        with _asked(client) as answers:
            done = kit.json("secrets", "rotate", "fernet", seconds=UP_SECONDS)
    assert set(answers) == {(200, "k")}
    assert done["rows"]["connection"] >= 1
    assert done["rows"]["variable"] >= 1
    assert done["readByOldKey"] == 0
    new = kit.json("config", "get", "fernetKey", "--show")["value"]
    assert "," not in new
    assert new != old
    columns = "left(password, 5), is_encrypted, left(extra, 5), is_extra_encrypted"
    query = f"select {columns} from connection where conn_id = 'crm'"
    psql = ("psql", "-U", "postgres", "-d", "airflow", "-Atc", query)
    assert kit.run("exec", "database", "--", *psql).stdout.strip() == "gAAAA|t|gAAAA|t"
    secrets = kit.json("secrets", "status")
    assert secrets["fernetRotationUnderWay"] is False
    assert (
        "scheduler" in next(s for s in secrets["secrets"] if s["secret"] == "fernetKey")["usedBy"]
    )


@contextmanager
def _asked(client: httpx.Client) -> Iterator[list[tuple[int, str]]]:
    """Each second, while the block lasts, a connection is read and a variable written: what was answered."""
    answers: list[tuple[int, str]] = []
    over = threading.Event()

    def ask() -> None:
        while not over.wait(1.0):
            try:
                client.patch("/variables/count", json={"key": "count", "value": str(len(answers))})
                found = client.get("/connections/crm")
                keys = json.loads(found.json()["extra"] or "{}") if found.is_success else {}
                answers.append((found.status_code, "".join(keys)))
            except (httpx.HTTPError, ValueError) as error:
                answers.append((0, repr(error)))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        over.set()
        thread.join()


def _resources(checkpoint: Path) -> dict[str, Any]:
    """The resources of a state file. Secrets are encrypted anew whenever it is written."""
    text = re.sub(r'"ciphertext": ?"[^"]*"', "", checkpoint.read_text())
    latest = json.loads(re.sub(r",\s*}", "}", text))["checkpoint"]["latest"]
    assert not latest.get("pending_operations")
    # Where in which checkout it was registered, and when it was looked at, may change.
    unimportant = {"sourcePosition", "stackTrace", "modified", "created"}
    return {
        resource["urn"]: _in_order({key: resource[key] for key in resource.keys() - unimportant})
        for resource in latest["resources"]
    }


def _in_order(resource: dict[str, Any]) -> dict[str, Any]:
    """With what it depends on sorted: the engine writes these lists in any order."""
    sorted_ = {
        "dependencies": sorted(resource.get("dependencies") or ()),
        "propertyDependencies": {
            key: sorted(urns or ())
            for key, urns in (resource.get("propertyDependencies") or {}).items()
        },
    }
    return resource | sorted_


class TestBadInput:
    """Each is refused with exit 2 and a clear error, and changes nothing."""

    @pytest.fixture(autouse=True)
    def unchanged(self, kit: Kit) -> Any:
        config = kit.state / "config" / "Pulumi.sandbox.yaml"
        before = _resources(kit.checkpoint), config.read_bytes()
        yield
        after = _resources(kit.checkpoint), config.read_bytes()
        assert not [urn for urn in before[0] | after[0] if before[0].get(urn) != after[0].get(urn)]
        assert after[1] == before[1]

    def refused(self, done: subprocess.CompletedProcess[str], *texts: str) -> None:
        assert done.returncode == 2, done.stderr[-3000:]
        # A DAG's own traceback is the user's; one with our files in it is not.
        assert not re.search(r'File ".*/(cli|sandbox|infra)/', done.stdout + done.stderr)
        for text in texts:
            assert text in done.stderr, done.stderr[-3000:]

    def test_a_misspelt_key(self, kit: Kit) -> None:
        self.refused(kit.run("config", "set", "nodeMaxx", "3"), "nodeMaxx", '"nodeMax"')

    @pytest.mark.parametrize(("value", "text"), [("lots", "whole number"), ("99999", "between")])
    def test_a_wrong_value(self, kit: Kit, value: str, text: str) -> None:
        self.refused(kit.run("config", "set", "nodeMax", value), "nodeMax", text)

    @pytest.mark.parametrize(
        ("key", "value"), [("nodeMaxx", "3"), ("nodeMax", "lots"), ("nodeMax", "99999")]
    )
    def test_the_same_written_into_the_file_by_hand(self, kit: Kit, key: str, value: str) -> None:
        config = kit.state / "config" / "Pulumi.sandbox.yaml"
        text = config.read_text()
        config.write_text(text.replace("config:\n", f"config:\n  aerodrome:{key}: '{value}'\n"))
        try:
            done = kit.run("up")
        finally:
            config.write_text(text)
        self.refused(done, key)

    @pytest.mark.parametrize("name", ["Main", "feature/x", "-x", "x" * 40])
    def test_a_name_with_bad_characters(self, kit: Kit, name: str) -> None:
        self.refused(kit.run("up", f"--env={name}"), f'"{name}" is no name for an environment')

    def test_a_wrong_passphrase(self, kit: Kit) -> None:
        self.refused(kit.run("up", PULUMI_CONFIG_PASSPHRASE="wrong"), "does not open the secrets")

    def test_a_lost_passphrase(self, kit: Kit) -> None:
        file = kit.state / "passphrase"
        kept = file.rename(kit.folder / "kept")
        try:
            done = kit.run("up")
        finally:
            kept.rename(file)
        self.refused(done, str(file), "is missing")

    @pytest.mark.parametrize(
        ("damage", "text"),
        [
            (lambda text: text[: len(text) // 2], "damaged"),
            (lambda text: text.replace("::aerodrome::", "::other::"), "belongs to another"),
        ],
        ids=["cut", "another project"],
    )
    def test_a_damaged_state_file(self, kit: Kit, damage: Any, text: str) -> None:
        whole = kit.checkpoint.read_text()
        kit.checkpoint.write_text(damage(whole))
        try:
            done = kit.run("up")
        finally:
            kit.checkpoint.write_text(whole)
        self.refused(done, str(kit.checkpoint), text)

    def test_a_lock_that_is_held(self, kit: Kit) -> None:
        with subprocess.Popen(["sleep", "600"]) as holder:
            lock = kit.state / "stacks/.pulumi/locks/organization/aerodrome/sandbox/held.json"
            lock.parent.mkdir(parents=True, exist_ok=True)
            content = {"pid": holder.pid, "username": "ada", "hostname": socket.gethostname()}
            lock.write_text(json.dumps(content | {"timestamp": "2027-01-01T00:00:00Z"}))
            done = kit.run("up")
            holder.kill()
        self.refused(done, "Another run of Pulumi is running", f"pid {holder.pid}", "pulumi cancel")
        # It is gone now: the next run removes its lock by itself.
        assert "unlocked" in kit.run("up").stderr

    def test_another_user(self, kit: Kit) -> None:
        done = subprocess.run(
            ["unshare", "--user", "--map-user=1000", ROOT / "aerodrome", "sandbox", "up"],
            env=kit.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        self.refused(done, "root")

    def test_a_full_disk(self, kit: Kit) -> None:
        small = kit.folder / "small"
        small.mkdir()
        script = f"mount -t tmpfs -o size=64m none {small} && exec {ROOT}/aerodrome sandbox up"
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script],
            env=kit.environment | {"AERODROME_STATE": str(small), "AERODROME_SANDBOX": "small"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        small.rmdir()
        self.refused(done, "GB")

    def test_no_nftables(self, kit: Kit) -> None:
        folder = kit.folder / "bin"
        folder.mkdir()
        for name in ("sh", "ip", "readlink", "dirname", "env", "python3"):
            found = shutil.which(name)
            assert found
            (folder / name).symlink_to(found)
        done = kit.run(
            "sandbox", "up", PATH=str(folder), AERODROME_SANDBOX="other", AERODROME_UI_PORT="1"
        )
        shutil.rmtree(folder)
        self.refused(done, "nft")

    def test_a_port_in_use(self, kit: Kit) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            done = kit.run("sandbox", "up", AERODROME_SANDBOX="other", AERODROME_UI_PORT=str(port))
        self.refused(done, f"Port {port} is in use", f"process {os.getpid()}")

    def test_a_dag_that_does_not_import(self, kit: Kit) -> None:
        checkout = kit.folder / "checkout"
        shutil.copytree(
            ROOT, checkout, ignore=shutil.ignore_patterns(".git", ".venv", "*_cache", "__pycache__")
        )
        (checkout / ".venv").symlink_to(ROOT / ".venv")
        dag = checkout / "images" / "airflow" / "dags" / "broken_pipeline.py"
        dag.write_text("from airflow.sdk import dag\nimport a_module_that_is_not_there\n")
        done = Kit(kit.name, kit.folder, kit.port, checkout).run("up", seconds=UP_SECONDS)
        shutil.rmtree(checkout)
        self.refused(
            done,
            "DAG file broken_pipeline.py:2: does not import",
            "No module named 'a_module_that_is_not_there'",
        )


def test_up_repairs_what_was_killed(kit: Kit, first: dict[str, Any]) -> None:
    for process in ("kube-scheduler", "aws", "etcd"):
        kit.kill(process)
    again = kit.json("up", seconds=UP_SECONDS)
    assert again["changes"].get("create", 0) == 0
    assert all(item["state"] == "ready" for item in kit.json("sandbox", "status")["processes"])


def test_up_goes_on_after_everything_was_killed(kit: Kit) -> None:
    kit.kill_init()
    again = kit.json("up", "--proof", seconds=UP_SECONDS)
    assert again["changes"].get("create", 0) == 0
    assert again["provedNow"] is True


def test_up_that_was_killed_half_way_is_ended_by_the_next(kit: Kit) -> None:
    kit.json("config", "set", "taskLogDays", "60")
    running = subprocess.Popen(
        [ROOT / "aerodrome", "up"],
        env=kit.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert running.stderr is not None
    for line in running.stderr:
        if "Updating" in line:
            break
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    kit.json("up", seconds=UP_SECONDS)
    assert kit.json("preview")["changed"] is False


def test_the_inventory_knows_what_is_there(kit: Kit) -> None:
    kinds = {item["kind"] for item in kit.json("inventory")}
    assert {"s3", "ec2 vpc", "ec2 instance", "eks cluster", "iam role", "ecr repository"} <= kinds


def test_down_ends_with_an_empty_inventory(kit: Kit) -> None:
    data = kit.json("down", seconds=UP_SECONDS)
    assert data["changes"]["delete"] > 60
    assert data["inventory"] == []
    assert data["sandboxKept"] == ""


def test_down_leaves_nothing_on_the_machine(kit: Kit, before: Host) -> None:
    assert not kit.root.exists()
    assert look(kit.name, kit.folder).differences(before) == {}


def test_down_twice_is_fine(kit: Kit) -> None:
    assert kit.json("down")["changes"] == {}
    data = kit.json("status")
    assert data["deployed"] is False
    assert data["sandbox"]["up"] is False
    assert not (kit.state / "sandbox").exists() or not list((kit.state / "sandbox").iterdir())


def test_what_stays_is_configuration_only(kit: Kit) -> None:
    files = {path for path in kit.state.rglob("*") if path.is_file()}
    names = {path.relative_to(kit.state).parts[0] for path in files}
    assert names <= {"config", "passphrase", "stacks"}
    assert Path(kit.state / "passphrase").stat().st_mode & 0o777 == 0o600
