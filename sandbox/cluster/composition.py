"""The processes of a sandbox. The only place that knows all of them."""

from sandbox.aws.processes import processes as aws_processes
from sandbox.cluster import control_plane, node, policies, provisioner
from sandbox.instance import Instance
from sandbox.layout import Layout
from sandbox.process import Process
from sandbox.registry import server


def processes(instance: Instance) -> list[Process]:
    """Everything that the supervisor runs."""
    layout = Layout(instance)
    return [
        *control_plane.processes(layout),
        *node.processes(layout),
        server.process(instance),
        provisioner.process(layout),
        policies.process(layout),
        *aws_processes(instance),
    ]
