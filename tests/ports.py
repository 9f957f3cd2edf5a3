"""Ports for the servers that tests start."""

import random
import socket

_PORTS = range(12000, 30000)
"""Linux gives outgoing connections those from 32768 on, Kubernetes its services those from 30000 on."""

_choice = random.SystemRandom().choice
"""Tests of properties seed the common generator: workers side by side would choose the same."""


def free_port() -> int:
    """One that nobody has on loopback, nor gets by chance before a slow server takes it."""
    while True:
        port = _choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
