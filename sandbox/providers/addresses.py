"""The addresses that providers may call: this machine and its sandboxes, nothing else.

Any provider asks it before it opens a connection, so that a kubeconfig or a registry of the
real world, given by mistake, is refused by name instead of being changed.
"""

import ipaddress
import socket

from sandbox.errors import CloudError, UserError

SANDBOXES = ipaddress.ip_network("10.213.0.0/16")
"""The addresses of every sandbox on this machine: see sandbox/instance.py."""


def local_address(host: str, what: str) -> str:
    """The address of `host`, which must be loopback or a sandbox's; `what` names its owner.

    The caller connects to the address, not to the name: a name could lead elsewhere when it
    is asked a second time.
    """
    addresses = _addresses(host, what)
    for address in addresses:
        parsed = ipaddress.ip_address(address)
        if not (parsed.is_loopback or parsed in SANDBOXES):
            raise UserError(
                f"{what} at {host} is not part of a sandbox",
                f"It answers at {address}. The sandbox's providers talk only to this machine's "
                f"loopback and to {SANDBOXES}; a real one is for the Pulumi CLI.",
            )
    return addresses[0]


def _addresses(host: str, what: str) -> list[str]:
    bare = host.strip("[]")
    try:
        return [str(ipaddress.ip_address(bare))]
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(bare, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise CloudError(f"{what}: the name {bare} leads nowhere", str(error)) from error
    return [str(entry[4][0]) for entry in found]
