"""What each thing costs; and that the program makes nothing whose price nobody thought of."""

from typing import Any

import pytest

from cli.base.errors import KitError
from cli.cloud.catalogue.kubernetes import RELEASE
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.cost import planned, prices, pricing
from cli.operations.cost.things import Line, Thing
from infra.contract.executors import EXECUTORS
from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import SECRETS, Program, run_program

TABLE = prices.of("us-east-1")


def program(**settings: str) -> Program:
    return run_program({"environment": "test", **settings}, SECRETS)


def branch() -> Program:
    base = run_program({"environment": "test"}, SECRETS)
    return run_program(BRANCH, BRANCH_SECRETS, {BASE: base})


def things(found: Program) -> list[Thing]:
    return [Thing(item.type, item.name, item.inputs) for item in found.resources]


def requested(**given: str) -> RequestedSettings:
    return RequestedSettings({}, {f"aerodrome:{key}": value for key, value in given.items()})


def lines(kind: str, **inputs: Any) -> list[Line]:
    return list(pricing.lines(Thing(kind, "x", inputs), TABLE))


def costs(found: list[Thing]) -> dict[str, float]:
    """What is priced, by what it is."""
    total: dict[str, float] = {}
    for thing in found:
        for line in pricing.lines(thing, TABLE):
            if line.hourly is not None:
                total[line.what] = round(total.get(line.what, 0.0) + line.hourly, 6)
    return total


def test_the_plan_is_what_the_program_registers_and_what_its_components_make() -> None:
    planned_costs = costs(planned.dedicated(requested(), "test"))
    made = costs(things(program()))
    # The cluster and its workers are made by pulumi-eks, beyond the program's own registrations.
    beyond = {"EKS control plane", "workers", "workers' disks"}
    assert planned_costs.keys() - made.keys() == beyond
    assert {key: planned_costs[key] for key in made} == made
    assert {
        "NAT gateway",
        "public IPv4 address",
        "Rancher server",
        "database's volume",
    } < made.keys()


def test_the_plan_follows_the_settings() -> None:
    more = requested(database="rds", rancherEnabled="false", nodeDesired="3", flowLogs="true")
    found = planned.dedicated(more, "test")
    assert "Rancher server" not in costs(found)
    assert {"RDS instance", "RDS storage"} < costs(found).keys()
    told = [line for thing in found for line in pricing.lines(thing, TABLE)]
    (workers,) = (line for line in told if line.what == "workers")
    assert workers.detail == "3 x m7i.large"
    assert any(line.what == "VPC flow logs" and line.by_use for line in told)


def test_anothers_cluster_its_nodes_and_its_network_cost_the_environment_nothing() -> None:
    guest = costs(planned.dedicated(requested(clusterName="team", rancherEnabled="false"), "test"))
    own = costs(planned.dedicated(requested(rancherEnabled="false"), "test"))
    gone = {"EKS control plane", "workers", "workers' disks", "NAT gateway"}
    assert gone <= set(own)
    assert not gone & set(guest)
    assert set(guest) < set(own)


def test_endpoints_are_priced_by_zone_and_say_from_when_on_they_pay() -> None:
    more = requested(vpcEndpoints='["s3", "ecr"]', natPerZone="true")
    found = planned.dedicated(more, "test")
    told = [line for thing in found for line in pricing.lines(thing, TABLE)]
    (images,) = (line for line in told if line.what == "VPC endpoint ecr.dkr")
    assert images.hourly == pytest.approx(2 * 0.01)
    # 2 x 0.01 USD x 730 hours, at 0.045 - 0.01 USD a gigabyte less.
    assert images.detail == "2 zones, pays from 417 GB a month on"
    uses = {line.what: line.by_use for line in told}
    assert uses["VPC endpoint ecr.dkr, data"] == "0.01 USD per GB instead of 0.045 through NAT"
    assert uses["VPC endpoint s3, data"] == "free instead of 0.045 through NAT"
    assert costs(found)["NAT gateway"] == pytest.approx(2 * 0.045)


def test_an_endpoint_that_does_not_say_where_it_is_has_no_price() -> None:
    hourly, data = lines("aws:ec2/vpcEndpoint:VpcEndpoint", vpcEndpointType="Interface")
    assert hourly.missing
    assert data.by_use


def test_settings_that_the_program_refuses_are_refused_in_its_words() -> None:
    with pytest.raises(KitError, match="nodeDesired is 9") as refused:
        planned.dedicated(requested(nodeDesired="9"), "test")
    assert "Traceback" not in str(refused.value)


def test_a_shared_branch_adds_nothing_that_is_billed_by_the_hour() -> None:
    assert costs(things(branch())) == {}
    assert costs(planned.shared(requested(), "test-x")) == {}
    pods = planned.pods(requested(), TABLE)
    assert pods.hourly is not None
    assert 0 < pods.hourly < 0.1008


@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_pods_are_those_of_the_chart(executor: str) -> None:
    processors, memory = planned.requests(executor)
    assert 0.1 < processors < 2
    assert 0.5 < memory < 8
    more = planned.requests(executor, pgbouncer=True)
    assert more == pytest.approx((processors + 0.02, memory + 16 / 1024), abs=0.001)


def test_workers_are_priced_by_number_type_and_disk() -> None:
    workers, disks = lines(
        "aws:eks/nodeGroup:NodeGroup",
        instanceTypes=["m7i.large", "m6i.large"],
        scalingConfig={"desiredSize": 3},
        diskSize=50,
        capacityType="SPOT",
    )
    assert workers.hourly == pytest.approx(3 * 0.1008)
    assert workers.detail == "3 x m7i.large or m6i.large, spot: at most"
    assert disks.hourly == pytest.approx(150 * 0.08 / 730)


def test_one_unknown_type_among_the_workers_leaves_no_price() -> None:
    workers, _ = lines("aws:eks/nodeGroup:NodeGroup", instanceTypes=["m7i.large", "q9.large"])
    assert workers.missing


def test_two_zones_have_two_disks_and_a_price_of_their_own() -> None:
    inputs = {"instanceClass": "db.t4g.small", "allocatedStorage": 20}
    one = lines("aws:rds/instance:Instance", **inputs)
    two = lines("aws:rds/instance:Instance", **inputs, multiAz=True)
    assert [line.hourly for line in one] == [0.032, pytest.approx(20 * 0.115 / 730)]
    assert [line.hourly for line in two] == [0.065, pytest.approx(40 * 0.115 / 730)]
    assert two[0].detail == "db.t4g.small, 2 zones"


def test_what_is_billed_by_use_without_a_price_says_so_and_leaves_the_total_whole() -> None:
    table = prices.of("eu-north-1")
    (line,) = pricing.lines(Thing("aws:cloudwatch/logGroup:LogGroup", "x", {}), table)
    assert not line.missing
    assert line.by_use == "no price per GB"


def test_a_type_that_nobody_knows_has_a_row_without_a_price() -> None:
    (line,) = lines("aws:msk/cluster:Cluster")
    assert line.missing
    assert line.what == "aws:msk/cluster:Cluster"


def test_values_that_cannot_be_read_have_no_price() -> None:
    for values in ("[secret]", {"postgres": "[secret]"}):
        (line,) = lines(RELEASE, values=values)
        assert line.missing
