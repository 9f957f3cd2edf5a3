"""kubectl as a process: a terminal, a forwarded port. The kubectl is a fake executable."""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.base.errors import KitError, UserError
from cli.cloud.kubernetes.kubectl import Kubectl

# Writes down how it was called and what it saw, and answers what the test put in its folder.
FAKE = """#!/bin/sh
cd "$(dirname "$0")" || exit 9
for argument in "$@"; do
    echo "$argument" >> called
    case $argument in --kubeconfig=*) cat "${argument#--kubeconfig=}" > seen; stat -c %a "${argument#--kubeconfig=}" > mode;; esac
done
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
        return Kubectl("apiVersion: v1\n", "airflow", program)

    return make


def test_a_kubeconfig_as_text_is_a_private_file_only_while_kubectl_runs(
    answering: Answer, tmp_path: Path
) -> None:
    answering().interact("exec", "one")
    folder = tmp_path / "kubectl"
    assert (folder / "seen").read_text() == "apiVersion: v1\n"
    assert (folder / "mode").read_text() == "600\n"
    kubeconfig, *others = (folder / "called").read_text().splitlines()
    assert others == ["--namespace=airflow", "exec", "one"]
    assert not Path(kubeconfig.partition("=")[2]).exists()


def test_a_kubeconfig_that_is_a_file_is_used_and_left(answering: Answer, tmp_path: Path) -> None:
    file = tmp_path / "admin.kubeconfig"
    file.write_text("mine")
    Kubectl(file, program=answering().program).interact("exec", "one")
    assert (tmp_path / "kubectl" / "seen").read_text() == "mine"
    assert file.read_text() == "mine"


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


LISTEN = """import re, socket, sys
port = int(re.search(r"(\\d+):8080$", sys.argv[-1]).group(1))
with socket.create_server(("127.0.0.1", port)) as server:
    while True:
        server.accept()[0].close()
"""


def test_a_port_leads_to_a_service_while_the_block_lasts(answering: Answer) -> None:
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


def test_no_kubectl() -> None:
    with pytest.raises(UserError, match="kubectl is not on the PATH"):
        Kubectl("", program="kubectl-that-nobody-has").interact("exec", "one")


def test_what_a_command_reads_is_piped_into_it(answering: Answer) -> None:
    kubectl = answering(stdin="", stderr="a word of its own", code=3)
    assert kubectl.pipe(b"content", "exec", "--stdin") == (3, "content", "a word of its own")
