"""`database clean`: a Job as the CronJob makes them, told otherwise what to do."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.operations import database_clean
from cli.operations.live import Live
from infra.contract.outputs import Outputs
from tests.charts.rendering import render

CRON_JOB = render({"databaseClean": {"enabled": True, "bucket": "logs"}}).find(
    "CronJob", "airflow-database-clean"
)


def told(days: int | None, *, dry_run: bool) -> dict[str, Any]:
    spec = database_clean._spec(CRON_JOB, days, dry_run=dry_run)
    (container,) = spec["template"]["spec"]["containers"]
    found = {one["name"]: one.get("value") for one in container["env"]}
    assert len(found) == len(container["env"])
    return found


def test_without_options_it_is_a_run_of_the_cron_job() -> None:
    found = told(None, dry_run=False)
    assert found["CLEAN_KEEP_DAYS"] == "365"
    assert "CLEAN_DRY_RUN" not in found


def test_options_go_over_what_the_cron_job_says() -> None:
    found = told(7, dry_run=True)
    assert found["CLEAN_KEEP_DAYS"] == "7"
    assert found["CLEAN_DRY_RUN"] == "true"


def live(outputs: dict[str, Any]) -> Live:
    return cast(
        Live,
        SimpleNamespace(
            environment=Environment("dev"),
            outputs=Outputs(outputs),
            kubernetes=SimpleNamespace(find=lambda *_: None),
            session=SimpleNamespace(same=" --env dev"),
        ),
    )


@pytest.mark.parametrize(
    ("outputs", "command"),
    [
        ({"base": "prod"}, "./aerodrome database clean --env prod"),
        ({}, "./aerodrome config set databaseKeepDays 365"),
    ],
    ids=["a branch", "switched off"],
)
def test_an_environment_that_moves_nothing_says_what_to_do(
    outputs: dict[str, Any], command: str
) -> None:
    with pytest.raises(UserError, match="keeps all of its database") as refused:
        database_clean.clean(live(outputs), None, dry_run=False)
    assert refused.value.command.startswith(command)


def test_a_cron_job_that_is_gone_is_named() -> None:
    with pytest.raises(KitError, match="airflow-database-clean"):
        database_clean.clean(live({"archivePrefix": "database-archive"}), None, dry_run=True)
