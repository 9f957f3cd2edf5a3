"""The sandbox's own emulator, without what the tests of bootstrap and teardown add to it."""

import pytest
from botocore.exceptions import ClientError

from cli.cloud.catalogue import find
from cli.cloud.resource import Search


@pytest.fixture
def plain(own_emulator):
    own_emulator.kill()
    own_emulator.module = "sandbox.aws.standin"
    own_emulator.start()
    return own_emulator


def test_a_teardown_finds_no_load_balancers_and_no_quotas(plain):
    assert find(Search(plain.client, "sandbox")) == []
    assert plain.client("elb").describe_load_balancers()["LoadBalancerDescriptions"] == []
    assert plain.client("elbv2").describe_load_balancers()["LoadBalancers"] == []
    with pytest.raises(ClientError, match="no classic load balancers for CreateLoadBalancer"):
        plain.client("elb").create_load_balancer(LoadBalancerName="a", Listeners=[])
    with pytest.raises(ClientError, match="does not serve the AWS service servicequotas"):
        plain.client("service-quotas").list_services()
