"""kubectl: what is asked of it, and what becomes of its answers. The kubectl is a fake executable."""

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.base.errors import KitError, UserError
from cli.cloud.kubernetes import Kubectl, Unreachable

# Writes down how it was called and what it saw, and answers what the test put in its folder.
FAKE = """#!/bin/sh
cd "$(dirname "$0")" || exit 9
for argument in "$@"; do
    echo "$argument" >> called
    case $argument in --kubeconfig=*) cat "${argument#--kubeconfig=}" > seen; stat -c %a "${argument#--kubeconfig=}" > mode;; esac
done
echo "$LOGIN" > login
if [ -f sleep ]; then exec sleep "$(cat sleep)"; fi
if [ -f stdin ]; then cat; fi
cat stdout 2> /dev/null
cat stderr >&2 2> /dev/null
exit "$(cat code 2> /dev/null || echo 0)"
"""

Answer = Callable[..., Kubectl]


@pytest.fixture
def answering(tmp_path: Path) -> Answer:
    folder = tmp_path / "kubectl"

    def make(stdout: str = "", stderr: str = "", code: int = 0, **more: str) -> Kubectl:
        folder.mkdir(exist_ok=True)
        program = folder / "kubectl"
        program.write_text(FAKE)
        program.chmod(0o755)
        for name, text in {"stdout": stdout, "stderr": stderr, "code": str(code), **more}.items():
            (folder / name).write_text(text)
        return Kubectl(
            "apiVersion: v1\n",
            "airflow",
            program=program,
            variables={"LOGIN": "as me"},
        )

    return make


@pytest.fixture
def called(tmp_path: Path) -> Callable[[], list[str]]:
    """The arguments of the call, but for the kubeconfig."""

    def read() -> list[str]:
        file = tmp_path / "kubectl" / "called"
        lines = file.read_text().splitlines()
        return [line for line in lines if not line.startswith("--kubeconfig=")]

    return read


def test_a_kubeconfig_as_text_is_a_private_file_only_while_kubectl_runs(
    answering: Answer, tmp_path: Path
) -> None:
    answering("{}").find("pod", "one")
    folder = tmp_path / "kubectl"
    assert (folder / "seen").read_text() == "apiVersion: v1\n"
    assert (folder / "mode").read_text() == "600\n"
    file = next(
        line.partition("=")[2]
        for line in (folder / "called").read_text().splitlines()
        if line.startswith("--kubeconfig=")
    )
    assert not Path(file).exists()


def test_a_kubeconfig_that_is_a_file_is_used_and_left(answering: Answer, tmp_path: Path) -> None:
    file = tmp_path / "admin.kubeconfig"
    file.write_text("mine")
    Kubectl(file, program=answering("{}").program).find("pod", "one")
    assert (tmp_path / "kubectl" / "seen").read_text() == "mine"
    assert file.read_text() == "mine"


def test_what_the_login_needs_is_in_kubectl_s_environment(
    answering: Answer, tmp_path: Path
) -> None:
    answering("{}").find("pod", "one")
    assert (tmp_path / "kubectl" / "login").read_text() == "as me\n"


def test_an_object_is_found(answering: Answer, called: Callable[[], list[str]]) -> None:
    kubectl = answering(json.dumps({"kind": "Pod"}))
    assert kubectl.find("pod", "one") == {"kind": "Pod"}
    assert called() == [
        "--namespace=airflow",
        "get",
        "pod",
        "one",
        "--ignore-not-found",
        "--output=json",
    ]


def test_an_object_that_is_not_there_is_none(answering: Answer) -> None:
    assert answering("").find("pod", "one") is None


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["--namespace=airflow", "get", "pods", "--output=json"]),
        ({"namespace": "other"}, ["--namespace=other", "get", "pods", "--output=json"]),
        (
            {"selector": "a=b", "everywhere": True},
            [
                *("--namespace=airflow", "get", "pods", "--output=json"),
                *("--selector=a=b", "--all-namespaces"),
            ],
        ),
    ],
)
def test_objects_are_listed(
    answering: Answer, called: Callable[[], list[str]], options: dict[str, str], expected: list[str]
) -> None:
    kubectl = answering(json.dumps({"items": [{"kind": "Pod"}]}))
    assert kubectl.objects("pods", **options) == [{"kind": "Pod"}]  # type: ignore[arg-type]
    assert called() == expected


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"name": "one"}, ["one"]),
        ({"selector": "a=b"}, ["--selector=a=b"]),
        ({}, ["--all"]),
    ],
)
def test_what_was_deleted_is_told(
    answering: Answer, called: Callable[[], list[str]], options: dict[str, str], what: list[str]
) -> None:
    kubectl = answering("pod/one\npod/two\n")
    deleted = kubectl.delete("pods", wait=False, **options)  # type: ignore[arg-type]
    assert deleted == ["pod/one", "pod/two"]
    end = ["--ignore-not-found", "--output=name", "--wait=false"]
    assert called() == ["--namespace=airflow", "delete", "pods", *what, *end]


def test_a_deletion_that_does_not_end_is_a_failure(answering: Answer) -> None:
    kubectl = answering(sleep="20")
    with pytest.raises(KitError, match="`kubectl delete` is not done after 0 seconds"):
        kubectl.delete("pods", "one", seconds=0.2)


@pytest.mark.parametrize(
    ("condition", "stderr", "expected"),
    [
        ("condition=Ready", "", True),
        ("condition=Ready", "error: timed out waiting for the condition on pods/one", False),
        ("condition=Ready", 'Error from server (NotFound): pods "one" not found', False),
        ("condition=Ready", "error: no matching resources found", False),
        ("delete", "error: timed out waiting for the condition on pods/one", False),
        ("delete", 'Error from server (NotFound): pods "one" not found', True),
        ("delete", "error: no matching resources found", True),
    ],
)
def test_waiting(answering: Answer, condition: str, stderr: str, expected: bool) -> None:
    kubectl = answering(stderr=stderr, code=1 if stderr else 0)
    assert kubectl.wait(condition, "pods", "one") is expected


def test_waiting_for_what_may_not_be_seen_is_a_failure(answering: Answer) -> None:
    with pytest.raises(KitError, match="forbidden"):
        answering(stderr="Error from server (Forbidden): forbidden", code=1).wait("delete", "pods")


def test_a_patch_and_a_scale(answering: Answer, called: Callable[[], list[str]]) -> None:
    answering().patch("pvc", "data", {"metadata": {"finalizers": None}})
    answering().scale("deployments", replicas=0)
    assert called() == [
        *("--namespace=airflow", "patch", "pvc", "data", "--type=merge"),
        '--patch={"metadata": {"finalizers": null}}',
        *("--namespace=airflow", "scale", "deployments", "--all", "--replicas=0"),
    ]


def test_scaling_nothing_is_no_failure(answering: Answer) -> None:
    answering(stderr="error: no objects passed to scale", code=1).scale("deployments", replicas=0)
    with pytest.raises(KitError, match="forbidden"):
        answering(stderr="forbidden", code=1).scale("deployments", replicas=0)


def test_logs_are_lines(answering: Answer, called: Callable[[], list[str]]) -> None:
    assert answering("one\ntwo\n").logs("a=b", lines=5) == ["one", "two"]
    assert called()[1:] == ["logs", "--selector=a=b", "--tail=5", "--all-containers"]


def test_a_dialogue_has_our_input_output_and_exit_code(
    answering: Answer, capfd: pytest.CaptureFixture[str]
) -> None:
    read, write = os.pipe()
    os.write(write, b"typed\n")
    os.close(write)
    kept = os.dup(0)
    os.dup2(read, 0)
    try:
        assert answering("shown\n", code=3, stdin="").interact("exec", "one") == 3
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(read)
    assert capfd.readouterr().out == "typed\nshown\n"


def test_an_answer_is_taken_whatever_it_is(answering: Answer) -> None:
    kubectl = answering("out\n", "err\n", 3)
    assert kubectl.answer("exec", "one") == (3, "out\n", "err\n")


LISTEN = """import re, socket, sys
port = int(re.search(r"(\\d+):8080$", sys.argv[-1]).group(1))
with socket.create_server(("127.0.0.1", port)) as server:
    while True:
        server.accept()[0].close()
"""


def test_a_port_leads_to_a_service_while_the_block_lasts(answering: Answer, tmp_path: Path) -> None:
    kubectl = answering()
    Path(kubectl.program).write_text(f"#!{sys.executable}\n{LISTEN}")
    with (
        kubectl.forwarded("service/ui", 8080) as port,
        socket.create_connection(("127.0.0.1", port)),
    ):
        pass
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port))


def test_a_port_forward_that_fails_says_why(answering: Answer) -> None:
    kubectl = answering(stderr='Error from server (NotFound): services "ui" not found', code=1)
    with pytest.raises(KitError, match='services "ui" not found'), kubectl.forwarded("ui", 8080):
        raise AssertionError


def test_a_port_forward_that_never_listens_is_ended(answering: Answer) -> None:
    kubectl = answering(sleep="60")
    with (
        pytest.raises(KitError, match="It gave no reason"),
        kubectl.forwarded("ui", 8080, seconds=0.3),
    ):
        raise AssertionError


@pytest.mark.parametrize(
    "stderr",
    [
        "Unable to connect to the server: dial tcp 10.0.0.1:443: i/o timeout",
        "The connection to the server 10.0.0.1 was refused - did you specify the right host?",
        "Unable to connect to the server: dial tcp: lookup x: no such host",
    ],
)
def test_a_cluster_that_does_not_answer(answering: Answer, stderr: str) -> None:
    with pytest.raises(Unreachable, match="Kubernetes does not answer") as caught:
        answering(stderr=stderr, code=1).objects("pods")
    assert stderr in caught.value.detail


def test_a_refusal_says_what_was_asked_and_why(answering: Answer) -> None:
    with pytest.raises(KitError) as caught:
        answering(stderr="error: unknown kind", code=1).objects("pots")
    assert caught.value.summary == "`kubectl get` failed"
    assert caught.value.detail == "kubectl get pots --output=json\nerror: unknown kind"


def test_a_node_that_does_not_answer_is_not_the_cluster(answering: Answer) -> None:
    stderr = "Error from server: dial tcp 10.0.0.1:10250: connect: connection refused"
    with pytest.raises(KitError) as caught:
        answering(stderr=stderr, code=1).logs("a=b", lines=5)
    assert not isinstance(caught.value, Unreachable)


def test_no_kubectl() -> None:
    with pytest.raises(UserError, match="kubectl is not on the PATH"):
        Kubectl("", program="kubectl", variables={"PATH": "/nowhere"}).objects("pods")
