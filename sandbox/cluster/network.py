"""The network between host and sandbox: one veth pair. Host side first, then the inside.

The host gets one interface with one address; its routes, sysctls and firewall stay as they
are. Inside, everything beyond the node is unreachable, and says so at once.
"""

import json
import subprocess
from pathlib import Path

from sandbox.errors import KitError
from sandbox.instance import (
    POD_CIDR,
    POD_GATEWAY,
    POD_IDENTITY_ADDRESS,
    REGISTRY_PORT,
    Instance,
)

INSIDE_INTERFACE = "eth0"

RULES = f"""
table inet aerodrome {{
  chain input {{
    type filter hook input priority filter; policy accept;
    ip saddr {POD_CIDR} tcp dport {REGISTRY_PORT} reject with tcp reset
  }}
}}
"""
"""The registry asks nobody who they are, and a branch's DAGs are in its image: pods have no business there.
Images are pulled by containerd, from the node's own addresses."""


def interfaces() -> set[str]:
    """Names of all interfaces of the caller's network namespace."""
    return {link.name for link in Path("/sys/class/net").iterdir()}


def networks_in_use() -> list[str]:
    """Every address and route of the machine, as CIDRs."""
    routes = json.loads(_ip("-json", "route", "show", "table", "all") or "[]")
    found = [str(route.get("dst", "")) for route in routes]
    return [network for network in found if network and network != "default"]


def connect_host(instance: Instance, init_pid: int) -> None:
    """Make the pair and hand its far end to init's namespace. If init ends, the pair goes."""
    name = instance.interface
    peer = ("peer", "name", INSIDE_INTERFACE, "netns", str(init_pid))
    _ip("link", "add", name, "type", "veth", *peer)
    _ip("link", "set", name, "alias", _mark(instance))
    # No IPv6 address: the host would start to send router solicitations to itself.
    _ip("link", "set", name, "addrgenmode", "none")
    _ip("address", "add", f"{instance.host_address}/24", "dev", name)
    _ip("link", "set", name, "up")


def belongs_to(instance: Instance) -> bool:
    """Whether the interface of its name is there, and was made by this very instance."""
    try:
        alias = Path(f"/sys/class/net/{instance.interface}/ifalias").read_text().strip()
    except OSError:
        return False
    return alias == _mark(instance)


def _mark(instance: Instance) -> str:
    # Another sandbox may get the slot, and so the name, of one that has died.
    return f"aerodrome {instance.root}"


def disconnect_host(instance: Instance) -> None:
    """Remove the host's end, if a dying namespace has not done so yet.

    That can take it minutes: sockets whose other end died with it hold on to the namespace.
    """
    if instance.interface in interfaces():
        subprocess.run(
            ["ip", "link", "delete", instance.interface], capture_output=True, check=False
        )


def connect_inside(instance: Instance) -> None:
    """Addresses and routes of the sandbox's own namespace. Called by its first process."""
    for name in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.disable_ipv6=1"):
        key, value = name.split("=")
        path = Path("/proc/sys") / key.replace(".", "/")
        if path.exists():
            path.write_text(value)
    for kind in ("all", "default"):
        # The host's setting is inherited; a strict one would drop what Services rewrite.
        Path(f"/proc/sys/net/ipv4/conf/{kind}/rp_filter").write_text("0")
    _ip("link", "set", "lo", "up")
    for address in (POD_IDENTITY_ADDRESS, POD_GATEWAY):
        _ip("address", "add", f"{address}/32", "dev", "lo")
    _ip("address", "add", f"{instance.node_address}/24", "dev", INSIDE_INTERFACE)
    _ip("link", "set", INSIDE_INTERFACE, "up")
    _ip("route", "add", "unreachable", "default")
    install_rules()


def install_rules() -> None:
    """Install the rules that keep pods from the node's own ports."""
    done = subprocess.run(
        ["nft", "--file", "-"], input=RULES, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise KitError("nft cannot keep pods away from the registry", done.stderr.strip())


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise KitError(f"ip {' '.join(words)} failed", done.stderr.strip())
    return done.stdout
