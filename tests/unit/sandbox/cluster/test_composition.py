"""The list of processes: complete, ordered, and without secrets on command lines."""

from pathlib import Path

from sandbox.cluster.composition import processes
from sandbox.cluster.supervisor import check_order, layers
from sandbox.layout import Layout


def test_all_processes_have_an_order(layout: Layout, fake_tools: Path) -> None:
    found = processes(layout.instance)
    check_order(found)
    order = layers(found)
    assert "etcd" in order[0]
    assert "kube-apiserver" in order[1]
    assert "kubelet" in order[2]


def test_no_process_gets_a_secret_on_its_command_line(layout: Layout, fake_tools: Path) -> None:
    from sandbox.aws.processes import prepare

    prepare(layout.instance)
    secret = layout.instance.aws_credentials.read_text()
    for process in processes(layout.instance):
        for word in process.argv:
            assert word not in secret or len(word) < 4
