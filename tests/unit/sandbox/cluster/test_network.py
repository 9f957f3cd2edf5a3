"""What pods must not reach of the node, tried in a network namespace of the test's own."""

import subprocess
import sys

from sandbox.cluster import network
from sandbox.instance import AWS_PORT, POD_GATEWAY, REGISTRY_PORT

NODE = "10.213.0.2"
POD = "10.244.0.9"
HOST = "10.213.0.1"

TRIES = f"""
import socket, subprocess
from sandbox.cluster import network

for address in ("{NODE}", "{POD}", "{HOST}", "{POD_GATEWAY}"):
    subprocess.run(["ip", "address", "add", address + "/32", "dev", "lo"], check=True)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
network.install_rules()
listening = [socket.create_server(("", port)) for port in ({REGISTRY_PORT}, {AWS_PORT})]
for source in ("{POD}", "{HOST}", "{NODE}"):
    for target in ("{NODE}", "{POD_GATEWAY}"):
        for port in ({REGISTRY_PORT}, {AWS_PORT}):
            try:
                socket.create_connection((target, port), 5, (source, 0)).close()
                answer = "open"
            except ConnectionRefusedError:
                answer = "refused"
            print(source, target, port, answer)
"""


def test_pods_do_not_reach_the_registry_and_everybody_else_does() -> None:
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", TRIES],
        cwd=network.__file__.removesuffix("sandbox/cluster/network.py"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = {tuple(line.split()) for line in done.stdout.splitlines()}
    assert len(answers) == 12
    for source, target, port, answer in answers:
        fenced = source == POD and port == str(REGISTRY_PORT)
        assert answer == ("refused" if fenced else "open"), (source, target, port)
