"""How many branches a base carries: each limit is met where it says, and moved by the settings that it names."""

from collections.abc import Sequence
from typing import Any

import pytest

from cli.base import environments
from cli.base.errors import UserError
from cli.base.paths import ROOT
from cli.operations.bootstrap import requested_settings
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.capacity import branches, nodes
from cli.operations.capacity.branches import Capacity
from tests.unit.cli.conftest import Run

NAME = "dev"
CONFIGURED: Sequence[Sequence[str]] = (
    (),
    ("executor=CeleryExecutor", "monitoring=all", "vpcCidr=10.0.0.0/22"),
    ("database=rds", "pgbouncer=true", 'nodeInstanceTypes=["m7i.4xlarge"]'),
)


def requested(*assignments: str) -> RequestedSettings:
    return requested_settings.read(environments.environment(NAME), assignments)


def capacity(*assignments: str) -> Capacity:
    return branches.of(requested(*assignments), NAME)


@pytest.mark.parametrize("assignments", CONFIGURED)
def test_one_branch_more_than_it_carries_is_too_many(assignments: Sequence[str]) -> None:
    found = capacity(*assignments)
    for each in found.limits:
        carried = each.carries()
        assert each.needs(carried) <= each.limit < each.needs(carried + 1), each.what
    assert found.first.carries() == min(each.carries() for each in found.limits)


@pytest.mark.parametrize("assignments", CONFIGURED)
def test_the_settings_that_it_names_make_room(assignments: Sequence[str]) -> None:
    count = 150
    moves = branches.way_to(requested(*assignments), NAME, count)
    assert moves
    given = [f"{key}={value}" for move in moves for key, value in move.settings.items()]
    # Two may ask for workers, one for more than the other.
    moved = capacity(*assignments, *sorted(given, key=lambda one: (len(one), one)))
    assert [each.what for each in moved.limits if each.needs(count) > each.limit] == []


def test_what_anothers_cluster_carries_is_its_owners_to_say() -> None:
    with pytest.raises(UserError) as refused:
        capacity("clusterName=team", "rancherEnabled=false")
    assert "It stands in the cluster team" in refused.value.detail


def test_a_limit_that_no_setting_moves_asks_for_a_second_base() -> None:
    moves = [str(move) for move in branches.way_to(requested(), NAME, 400_000)]
    assert "a second base" in moves
    assert any("nodeMax ends at 450" in move for move in moves)


@pytest.mark.parametrize(
    ("kind", "pods"),
    # As the list of EKS's own images has them, and its bound of 110.
    [
        ("t3.medium", 17),
        ("t3.large", 35),
        ("m7i.large", 29),
        ("m5.xlarge", 58),
        ("c6i.4xlarge", 110),
    ],
)
def test_a_node_holds_as_many_pods_as_eks_lets_it(kind: str, pods: int) -> None:
    node = nodes.node(kind)
    assert node is not None
    assert node.room.pods + nodes.EVERY_NODE.pods == pods


def test_a_server_in_the_cluster_has_as_many_connections_as_its_image_gives_it() -> None:
    text = (ROOT / "images" / "postgres" / "entrypoint").read_text()
    assert f"-c max_connections={branches.IN_CLUSTER + branches.FOR_SUPERUSERS} " in text


def test_connections_of_a_server_that_others_use_are_not_counted() -> None:
    given = RequestedSettings({"aerodrome:databaseInstance": "team-postgres"}, {})
    assert branches._connections(given) == []
    assert branches._connections(requested("database=rds")) != []


def test_an_unknown_type_of_workers_is_named() -> None:
    with pytest.raises(UserError, match=r"z9\.large"):
        capacity('nodeInstanceTypes=["z9.large"]')


def test_a_table_for_people(run: Run) -> None:
    result = run("capacity", NAME, "--branches", "100,10")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    headings = next(line for line in lines if "there is" in line)
    assert headings.index("10 branches") < headings.index("100 branches")
    found = capacity()
    assert f"It carries {found.first.carries()} branches; met first: {found.first.what}." in lines
    assert "  10 branches: nothing is in the way" in lines


def test_the_documentation_names_the_figures() -> None:
    """Of the default settings."""
    page = (ROOT / "docs" / "capacity.md").read_text().partition("## Measured")[0]
    rows = [line.split("|")[1:4] for line in page.splitlines() if line.startswith("| ")][1:]
    told = sorted((row[1].split()[0], row[2].strip()) for row in rows)
    assert told == sorted((f"{one.limit:,}", f"{one.carries():,}") for one in capacity().limits)


def test_json_for_programs(run_json: Any) -> None:
    data = run_json("capacity", NAME, "--branches", "50", "--set", "nodeMax=40")
    workers = next(each for each in data["limits"] if each["what"] == "workers")
    assert data["moves"]["50"]
    assert workers["limit"] == 40
    assert workers["needed"]["50"]["enough"] is True


@pytest.mark.parametrize("words", ["", "ten", "0", "-5", "10,", "1.5", "٣", "100001"])
def test_what_is_no_number_of_branches_is_named(run: Run, words: str) -> None:
    result = run("capacity", NAME, "--branches", words)
    assert result.exit_code == 2
    assert "--branches" in result.stderr


def test_a_branch_carries_none(run: Run) -> None:
    result = run("capacity", NAME, "--set", "base=main")
    assert result.exit_code == 2
    assert "./aerodrome capacity main" in result.stderr
