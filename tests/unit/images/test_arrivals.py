"""How many lines have come to Elasticsearch, and whom its keeper tells: the counting, with a real socket."""

import socket
from types import ModuleType

import pytest

from tests.unit.images.loading import IMAGES, script

OF = {"airflow.dev.1": "dev", "airflow.dev.2": "dev", "airflow.x.1": "x"}


@pytest.fixture(scope="module")
def arrivals() -> ModuleType:
    return script("arrivals", IMAGES / "elasticsearch" / "scripts")


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ({}, {"a": 3}, {"a": 3}),
        ({"a": 3}, {"a": 3}, {}),
        ({"a": 3}, {"a": 5, "b": 1}, {"a": 2, "b": 1}),
        # The day is over and its index deleted, or all of it is gone.
        ({"a": 3, "b": 1}, {"b": 2}, {"b": 1}),
        ({"a": 3}, {"a": 1}, {}),
    ],
)
def test_growth(
    before: dict[str, int], now: dict[str, int], found: dict[str, int], arrivals: ModuleType
) -> None:
    assert arrivals.growth(before, now) == found


def test_each_environments_lines_are_told_and_not_those_of_before(arrivals: ModuleType) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(10)
        one = arrivals.Arrivals(f"127.0.0.1:{listener.getsockname()[1]}")
        assert one.wanted
        one.tell({"airflow.dev.1": 7}, OF)
        one.tell({"airflow.dev.1": 9, "airflow.dev.2": 1, "airflow.x.1": 4}, OF)
        found = {listener.recv(1000).decode() for _ in range(2)}
        assert found == {"logs_arrived,environment=dev:3|c", "logs_arrived,environment=x:4|c"}


def test_nobody_is_told_where_there_are_no_metrics(arrivals: ModuleType) -> None:
    one = arrivals.Arrivals("")
    assert not one.wanted
    one.tell({"airflow.dev.1": 7}, OF)
    one.tell({"airflow.dev.1": 9}, OF)
