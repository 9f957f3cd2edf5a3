"""Where a host is, as this machine's DNS has it."""

import ipaddress
import socket

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def addresses(host: str | None, port: int) -> list[Address]:
    """OSError if nobody knows the host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(str(one[4][0])) for one in found]
