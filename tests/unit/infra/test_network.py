"""How the network's addresses are shared out."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.network import plan_subnets


@given(st.integers(16, 22), st.integers(0, 255))
def test_subnets_lie_inside_and_never_overlap(prefix: int, second: int) -> None:
    network = ipaddress.IPv4Network(f"10.{second}.0.0/{prefix}")
    plan = plan_subnets(str(network))
    subnets = [ipaddress.IPv4Network(cidr) for cidr in (*plan.private, *plan.public)]
    assert all(subnet.subnet_of(network) for subnet in subnets)
    assert not any(a.overlaps(b) for a in subnets for b in subnets if a is not b)


@pytest.mark.parametrize("prefix", [16, 22])
def test_private_subnets_have_most_of_the_room(prefix: int) -> None:
    plan = plan_subnets(f"10.0.0.0/{prefix}")
    sizes = {cidr: ipaddress.IPv4Network(cidr).num_addresses for cidr in plan.private + plan.public}
    assert all(sizes[cidr] == 2 ** (32 - prefix) // 4 for cidr in plan.private)
    # EKS wants room for six addresses of its own, a load balancer for eight.
    assert all(sizes[cidr] >= 64 for cidr in plan.public)


def test_the_plan_of_the_default_network() -> None:
    plan = plan_subnets("10.20.0.0/16")
    assert plan.private == ("10.20.0.0/18", "10.20.64.0/18")
    assert plan.public == ("10.20.128.0/20", "10.20.144.0/20")
