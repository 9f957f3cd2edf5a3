"""DAG files that are pushed: the command's own code against real S3, with the image's Airflow in real processes.

The pods' credentials are those of a user with the policy that the program gives to Airflow's role.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.operations.dags import publication, push, versions
from cli.operations.dags.publication import Pushed
from cli.operations.live import Live
from infra import policies
from infra.contract.outputs import Outputs
from tests.charts.rendering import render
from tests.unit.images import postgresql, real_airflow
from tests.unit.images.postgresql import MASTER, MASTER_PASSWORD, Server
from tests.unit.images.real_airflow import RealAirflow, until
from tests.unit.sandbox.aws.conftest import REGION, Emulator, new_emulator

BUCKET, PREFIX = "the-logs", "dag-versions"
LIST = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"

PIPELINE = """
import os, time
from pathlib import Path
from airflow.sdk import dag, task
from team import CODE

OUT = Path(os.environ["OUT"])
HERE = {number}

def done(name, run_id):
    (OUT / f"{{run_id}}.{{name}}").write_text(f"{{HERE}} {{CODE}}")

@dag(dag_id="{dag}", schedule=None)
def pipeline():
    @task
    def first(run_id=None):
        (OUT / f"{{run_id}}.begun").touch()
        while not (OUT / f"{{run_id}}.go").exists():
            time.sleep(0.1)
        done("first", run_id)

    @task(task_id="{last}")
    def last(run_id=None):
        done("last", run_id)

    first() >> last()

pipeline()
"""


def folder_of(place: Path, number: int, last: str, *dags: str) -> Path:
    (place / "team").mkdir(parents=True, exist_ok=True)
    (place / "team" / "__init__.py").write_text(f"CODE = {number}\n")
    (place / ".airflowignore").write_text("ignored.py\n")
    (place / "ignored.py").write_text("raise SystemExit('a dag of airflow that nobody parses')\n")
    for name in dags:
        text = PIPELINE.format(number=number, dag=name, last=last)
        (place / f"{name}.py").write_text(text)
    return place


class Pod:
    """The dag-processor's pod, as far as a check in it goes: runs here what would run there."""

    def __init__(self, airflow: RealAirflow) -> None:
        self._airflow = airflow

    @property
    def kubectl(self) -> "Pod":
        return self

    def objects(self, *_: str, **__: str) -> list[Any]:
        pod = {"phase": "Running", "startTime": "2027-03-01T12:00:00Z"}
        return [{"metadata": {"name": "airflow-dag-processor-1"}, "status": pod}]

    def pipe(self, content: bytes, *arguments: str) -> tuple[int, str, str]:
        words = arguments[arguments.index("--") + 2 :]
        done = subprocess.run(
            [real_airflow.python(), *words],
            input=content,
            env=self._airflow.environment,
            cwd=self._airflow.home,
            capture_output=True,
            check=False,
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()


class Deployed:
    """An environment whose DAGs are pushed."""

    def __init__(self, airflow: RealAirflow, aws: Emulator, out: Path, server: Server) -> None:
        self.airflow, self.out, self.server = airflow, out, server
        outputs = {"logBucket": BUCKET, "dags": "s3", "dagsPrefix": PREFIX}
        self.live = cast(
            Live,
            SimpleNamespace(
                environment=Environment("dev"),
                outputs=Outputs(outputs),
                client=aws.client,
                session=SimpleNamespace(same=""),
                backend=SimpleNamespace(plain=dict),
                kubernetes=Pod(airflow),
                airflow=airflow.api,
            ),
        )

    def push(self, folder: Path, version: str = "", *, dry_run: bool = False) -> Pushed:
        return publication.run(self.live, folder, version, print, dry_run=dry_run, wait=not dry_run)

    def begin(self, dag: str, run: str) -> None:
        with self.airflow.api() as api:
            api.trigger(dag, run)
        until(lambda: (self.out / f"{run}.begun").exists())

    def let_go(self, run: str) -> None:
        (self.out / f"{run}.go").touch()

    def ended(self, dag: str, run: str) -> str:
        with self.airflow.api() as api:

            def look() -> str:
                state = api.run_state(dag, run)
                return state if state in ("success", "failed") else ""

            try:
                return until(look, 60.0)
            except AssertionError as error:
                tasks = [(task["task_id"], task["state"]) for task in api.tasks(dag, run)]
                raise AssertionError(f"{tasks}\n{self.airflow.log()}") from error

    def code(self, run: str) -> list[str]:
        """What the run's two tasks were made of: the DAG's file, and the package that it imports."""
        return [(self.out / f"{run}.{name}").read_text() for name in ("first", "last")]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = new_emulator(tmp_path_factory.mktemp("aws"))
    running.client("s3").create_bucket(Bucket=BUCKET)
    yield running
    running.kill()
    running.kubernetes.server.shutdown()


@pytest.fixture(scope="module")
def pods_key(aws: Emulator) -> dict[str, str]:
    """The rights of Airflow's pods."""
    arn = f"arn:aws:s3:::{BUCKET}"
    policy = json.loads(policies.run_airflow(arn, "task-logs", "xcom", PREFIX))
    return aws.user("pods", policy)


def charts() -> dict[str, str]:
    """The settings that the chart has for pushed DAGs and for no others."""
    logs = {"logs": {"bucket": BUCKET, "region": REGION}}
    own = render(logs, {"dags": {"source": "s3", "s3": {"prefix": PREFIX}}}).environment()
    return {
        key: value for key, value in own.items() if value != render(logs).environment().get(key)
    }


def bundles(unpublished: Path) -> list[dict[str, Any]]:
    """As the chart writes it, but for the folder that the image would have."""
    found: list[dict[str, Any]] = json.loads(charts()[LIST])
    team = found[0]
    team["kwargs"]["unpublished"] = str(unpublished)
    return [team]


@pytest.fixture(scope="module")
def deployed(
    aws: Emulator, pods_key: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    home, out = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("out")
    image = folder_of(tmp_path_factory.mktemp("image"), 0, "last", "pipeline")
    more = {
        **{key: value for key, value in charts().items() if key != LIST},
        "OUT": str(out),
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": pods_key["id"],
        "AWS_SECRET_ACCESS_KEY": pods_key["secret"],
    }
    with postgresql.running("15") as server:
        url = server.url(MASTER, MASTER_PASSWORD, MASTER)
        with real_airflow.running(home, url, bundles(image), more) as airflow:
            it = Deployed(airflow, aws, out, server)
            with airflow.api() as api:
                until(lambda: api.has_dag("pipeline"))
            yield it


@pytest.fixture(scope="module")
def first(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Pushed]:
    folder = folder_of(tmp_path_factory.mktemp("team"), 1, "second", "pipeline", "other")
    return folder, deployed.push(folder)


@pytest.mark.slow
def test_a_begun_run_ends_with_its_version_and_a_new_one_has_the_next(
    deployed: Deployed, first: tuple[Path, Pushed]
) -> None:
    folder, pushed = first
    assert set(pushed.dags) == {"pipeline", "other"}
    deployed.begin("pipeline", "one")
    # The second task has another name now, and all has another code.
    folder_of(folder, 2, "third", "pipeline", "other")
    again = deployed.push(folder)
    assert again.planned.changes.changed == ("other.py", "pipeline.py", "team/__init__.py")
    assert again.unfinished == ()
    deployed.begin("pipeline", "two")
    # Code alone changes: Airflow then keeps its version of the DAG and moves that one to the new bundle's.
    folder_of(folder, 3, "third", "pipeline", "other")
    deployed.push(folder)
    for run in ("one", "two"):
        deployed.let_go(run)
        assert deployed.ended("pipeline", run) == "success"
    assert deployed.code("one") == ["1 1", "1 1"]
    assert deployed.code("two") == ["2 2", "2 2"]
    with deployed.airflow.api() as api:
        assert {task["task_id"]: task["state"] for task in api.tasks("pipeline", "one")} == {
            "first": "success",
            "second": "success",
        }
    deployed.begin("pipeline", "three")
    deployed.let_go("three")
    assert deployed.ended("pipeline", "three") == "success"
    assert deployed.code("three") == ["3 3", "3 3"]


@pytest.mark.slow
def test_a_run_whose_dag_is_removed_is_named_and_does_not_turn_green(
    deployed: Deployed, first: tuple[Path, Pushed]
) -> None:
    folder, _ = first
    deployed.begin("other", "lost")
    (folder / "other.py").unlink()
    pushed = deployed.push(folder)
    assert [(run.dag, run.run) for run in pushed.unfinished] == [("other", "lost")]
    assert "goes from other.py" in pushed.unfinished[0].why
    assert "goes on without it" in pushed.settled[0]
    deployed.let_go("lost")
    until(lambda: (deployed.out / "lost.first").exists())
    deployed.begin("pipeline", "later")
    deployed.let_go("later")
    deployed.ended("pipeline", "later")
    with deployed.airflow.api() as api:
        assert api.run_state("other", "lost") in ("running", "failed")
    assert not (deployed.out / "lost.last").exists()


@pytest.mark.slow
def test_what_airflow_would_not_take_is_refused_by_name_and_nothing_is_published(
    deployed: Deployed, first: tuple[Path, Pushed]
) -> None:
    folder, _ = first
    store = versions.of(deployed.live)
    before = store.pointer(), set(store.names())
    bad = folder / "bad.py"
    bad.write_text("from airflow.sdk import dag\nimport no_such_module\n")
    with pytest.raises(UserError) as refused:
        deployed.push(folder)
    assert "bad.py:2: does not import: ModuleNotFoundError" in refused.value.detail
    twice = PIPELINE.format(number=9, dag="pipeline", last="x")
    bad.write_text(twice)
    with pytest.raises(UserError) as refused:
        deployed.push(folder)
    assert 'bad.py: has a DAG "pipeline", and so has pipeline.py' in refused.value.detail
    bad.unlink()
    assert (store.pointer(), set(store.names())) == before


@pytest.mark.slow
def test_what_changes_nothing_is_not_published_and_a_dry_run_publishes_nothing(
    deployed: Deployed, first: tuple[Path, Pushed]
) -> None:
    folder, _ = first
    deployed.push(folder)
    assert not deployed.push(folder).changed
    pointer = versions.of(deployed.live).pointer()
    (folder / "query.sql").write_text("select 1\n")
    planned = deployed.push(folder, dry_run=True)
    assert planned.changed
    assert planned.planned.changes.added == ("query.sql",)
    assert versions.of(deployed.live).pointer() == pointer
    (folder / "query.sql").unlink()


@pytest.mark.slow
def test_the_way_back_is_the_same_files(deployed: Deployed, first: tuple[Path, Pushed]) -> None:
    folder, _ = first
    deployed.push(folder)
    former = versions.of(deployed.live).pointer()
    assert former is not None
    folder_of(folder, 4, "third", "pipeline")
    deployed.push(folder)
    back = deployed.push(folder, former.version[:8])
    assert back.planned.new.version == former.version
    deployed.begin("pipeline", "back")
    deployed.let_go("back")
    assert deployed.ended("pipeline", "back") == "success"
    assert deployed.code("back") == ["3 3", "3 3"]


SLOW = """
import time
from pathlib import Path
from airflow.sdk import dag, task
NUMBER = {number}
with (Path({out!r}) / f"parsing.{{NUMBER}}").open("a") as begun:
    begun.write("x")
time.sleep(3)
@dag(dag_id="slow", schedule=None)
def slow():
    @task(task_id=f"task_of_{{NUMBER}}")
    def work(): pass
    work()
slow()
"""


@pytest.mark.slow
def test_a_dag_is_never_recorded_with_a_version_that_it_was_not_read_from(
    deployed: Deployed, first: tuple[Path, Pushed]
) -> None:
    folder, _ = first
    recorded = (
        "select d.bundle_version, s.data::text from dag d join dag_version v on v.dag_id = d.dag_id "
        "join serialized_dag s on s.dag_version_id = v.id "
        "where d.dag_id = 'slow' order by v.version_number desc limit 1"
    )

    def begun(number: int) -> int:
        path = deployed.out / f"parsing.{number}"
        return len(path.read_text()) if path.exists() else 0

    def write(number: int) -> None:
        (folder / "slow.py").write_text(SLOW.format(number=number, out=str(deployed.out)))

    write(1)
    deployed.push(folder)
    # While one process reads the first version, the second one becomes the current.
    with deployed.airflow.api() as api:
        (token,) = (dag["file_token"] for dag in api.dags() if dag["dag_id"] == "slow")
        before = begun(1)
        api.parse_soon(token)
    until(lambda: begun(1) > before, pause=0.05)
    write(2)
    planned = push.plan(deployed.live, folder)
    version = push.publish(deployed.live, planned).version
    with deployed.airflow.api() as api:
        # The look for the new version comes at once, the reading of the first goes on.
        (other,) = (dag["file_token"] for dag in api.dags() if dag["dag_id"] == "pipeline")
        api.parse_soon(other)
    seen = []

    def arrived() -> bool:
        found = deployed.server.superuser(recorded, database=MASTER)
        seen.append((found[0][0] == version, "task_of_2" in str(found[0][1])))
        return all(seen[-1])

    until(arrived, pause=0.05)
    assert set(seen) == {(False, False), (True, True)}
    (folder / "slow.py").unlink()
    deployed.push(folder)


@pytest.mark.slow
def test_of_two_pushes_at_once_one_is_refused(
    deployed: Deployed, first: tuple[Path, Pushed]
) -> None:
    store = versions.of(deployed.live)
    stale, pushed = store.pointer(), store.all()
    assert stale is not None
    store.point(pushed[-1], stale)
    now = store.pointer()
    with pytest.raises(UserError, match="Somebody else has published"):
        store.point(pushed[0], stale)
    with pytest.raises(UserError, match="Somebody else has published"):
        store.point(pushed[0], None)
    assert store.pointer() == now


@pytest.mark.parametrize("operation", ["put_object", "delete_object"])
def test_pods_read_versions_and_change_none(
    aws: Emulator, pods_key: dict[str, str], first: tuple[Path, Pushed], operation: str
) -> None:
    s3 = aws.client("s3", **pods_key)
    s3.get_object(Bucket=BUCKET, Key=f"{PREFIX}/current")
    with pytest.raises(ClientError) as refused:
        getattr(s3, operation)(Bucket=BUCKET, Key=f"{PREFIX}/current")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    with pytest.raises(ClientError) as refused:
        s3.get_object(Bucket=BUCKET, Key="branch-dag-versions/x/current")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"


PROBE = """
import hashlib, gzip, io, json, sys, tarfile, os, time
from pathlib import Path
from aerodrome_dags import S3DagBundle
import boto3
base = json.loads(sys.argv[1])
def bundle(version=None):
    return S3DagBundle(name="dags-folder", version=version, **base)
def refused(action):
    try:
        action()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
"""


class TestTheBundleAlone:
    """What is hard to bring about with all of Airflow around it."""

    @pytest.fixture
    def probe(self, aws: Emulator, pods_key: dict[str, str], tmp_path: Path) -> Any:
        image = tmp_path / "image"
        image.mkdir()
        kwargs = {
            "bucket": BUCKET,
            "prefix": f"{PREFIX}/{tmp_path.name}",
            "region": REGION,
            "unpublished": str(image),
        }
        self.s3, self.prefix = aws.client("s3"), kwargs["prefix"]

        def run(program: str) -> Any:
            done = subprocess.run(
                [real_airflow.python(), "-c", PROBE + program, json.dumps(kwargs)],
                env={
                    "PATH": os.environ["PATH"],
                    "AIRFLOW_HOME": str(tmp_path),
                    "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(tmp_path / "bundles"),
                    "PYTHONPATH": str(real_airflow.MODULES),
                    "AWS_ENDPOINT_URL": aws.url,
                    "AWS_ACCESS_KEY_ID": pods_key["id"],
                    "AWS_SECRET_ACCESS_KEY": pods_key["secret"],
                },
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout.splitlines()[-1])

        return run

    def put(self, name: str, body: bytes) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=f"{self.prefix}/{name}", Body=body)

    def test_before_the_first_push_the_images_folder_counts_without_a_version(
        self, probe: Any, tmp_path: Path
    ) -> None:
        program = "b = bundle(); b.initialize(); b.refresh()\n"
        program += "print(json.dumps([str(b.path.resolve()), b.get_current_version()]))"
        assert probe(program) == [str(tmp_path / "image"), None]

    def test_a_version_that_is_gone_says_what_to_do(self, probe: Any) -> None:
        found = probe(f"print(json.dumps(refused(bundle('{'a' * 64}').initialize)))")
        assert "was removed" in found
        assert "latest version" in found

    def test_what_is_no_version_is_refused(self, probe: Any) -> None:
        assert "is no version" in probe("print(json.dumps(refused(lambda: bundle('../x'))))")
        self.put("current", json.dumps({"version": "../../x"}).encode())
        assert "names no version" in probe("print(json.dumps(refused(bundle().initialize)))")

    def test_another_archive_than_the_versions_is_refused(self, probe: Any, tmp_path: Path) -> None:
        import gzip

        version = "b" * 64
        self.put(f"versions/{version}.tar.gz", gzip.compress(b"anything"))
        assert "is another" in probe(f"print(json.dumps(refused(bundle('{version}').initialize)))")
        assert not list((tmp_path / "bundles").rglob(version))

    @pytest.mark.parametrize(
        ("entry", "reason"),
        [
            ("t = tarfile.TarInfo('../escaped')", "lies outside"),
            ("t = tarfile.TarInfo('/escaped')", "lies outside"),
            (
                "t = tarfile.TarInfo('l'); t.type = tarfile.SYMTYPE; t.linkname = '../x'",
                "links out",
            ),
            (
                "t = tarfile.TarInfo('l'); t.type = tarfile.LNKTYPE; t.linkname = 'x'",
                "neither file",
            ),
            ("t = tarfile.TarInfo('d'); t.type = tarfile.CHRTYPE", "neither file"),
        ],
    )
    def test_an_archive_that_leads_out_of_its_folder_is_refused(
        self, probe: Any, tmp_path: Path, entry: str, reason: str
    ) -> None:
        program = f"""
from aerodrome_dags import unpack
plain = io.BytesIO()
with tarfile.open(fileobj=plain, mode="w") as archive:
    archive.addfile(tarfile.TarInfo("good"))
    {entry}
    archive.addfile(t)
version = hashlib.sha256(plain.getvalue()).hexdigest()
target = Path("{tmp_path}/target"); target.mkdir()
text = refused(lambda: unpack(gzip.compress(plain.getvalue()), version, target))
print(json.dumps([text, [str(p) for p in target.rglob("*")]]))
"""
        text, left = probe(program)
        assert reason in text
        assert left == []

    def test_two_processes_at_once_unpack_one_whole_folder(self, probe: Any) -> None:
        from cli.operations.dags.archive import pack

        folder = real_airflow.MODULES
        packed = pack(folder)
        self.put(f"versions/{packed.version}.tar.gz", packed.packed)
        program = f"""
import multiprocessing
def fetch(_):
    b = bundle("{packed.version}"); b.initialize()
    return sorted(p.name for p in b.path.iterdir())
with multiprocessing.get_context("fork").Pool(4) as pool:
    seen = pool.map(fetch, range(8), chunksize=1)
began = time.monotonic(); fetch(0)
print(json.dumps([seen, [p.name for p in bundle("{packed.version}").versions_dir.iterdir()], time.monotonic() - began]))
"""
        seen, folders, again = probe(program)
        assert len({tuple(names) for names in seen}) == 1
        assert seen[0] == sorted(path.name for path in folder.iterdir() if path.suffix == ".py")
        assert folders == [packed.version]
        # No question to S3: the folder is there.
        assert again < 0.1

    def test_a_new_version_is_seen_by_the_time_of_its_files_the_changed_ones_first(
        self, probe: Any, tmp_path: Path
    ) -> None:
        from cli.operations.dags.archive import pack

        team = folder_of(tmp_path / "team", 1, "last", "a", "b")
        one = pack(team)
        (team / "b.py").write_text("# changed\n")
        two = pack(team)
        for archive in (one, two):
            self.put(f"versions/{archive.version}.tar.gz", archive.packed)
        self.put("current", json.dumps({"version": one.version}).encode())
        self.put("next", json.dumps({"version": two.version}).encode())
        pointer = json.dumps({"version": two.version})
        program = f"""
b = bundle(); b.initialize(); first = str(b.path), b.get_current_version().version
root = boto3.client("s3", region_name=base["region"], aws_access_key_id={self.s3._request_signer._credentials.access_key!r}, aws_secret_access_key={self.s3._request_signer._credentials.secret_key!r})
root.put_object(Bucket=base["bucket"], Key=base["prefix"] + "/current", Body={pointer!r})
b.refresh(); now = time.time()
times = {{p.name: p.stat().st_mtime - now for p in b.path.iterdir() if p.suffix == ".py"}}
print(json.dumps([first, [str(b.path), b.get_current_version().version], times]))
"""
        first, second, times = probe(program)
        # The files' paths stay: Airflow knows a DAG by its file.
        assert first[0] == second[0]
        assert (first[1], second[1]) == (one.version, two.version)
        assert times["b.py"] > times["a.py"] > -1
