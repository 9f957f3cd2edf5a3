"""### Trigger rules: when a task runs, by what its upstream tasks became

By default a task runs when all upstream tasks have succeeded. `trigger_rule` says otherwise. This DAG has three
upstream tasks, of which one succeeds, one fails and one is skipped, and below them a group of tasks for each
mixture: in each group one task for each rule, named after it.

**When to use which.** `all_done` for reports and clean-up, `one_failed` for an alarm, `none_failed_min_one_success`
after a branch, `always` for what depends on nothing, although the Graph draws an edge.
`all_done_setup_success` is the rule of teardown tasks: `example_setup_teardown`. After a failure **and** a skip,
which is no group here, `all_success` goes by what the scheduler sees first.

**What to look at.** The Graph, one group after the other: green ran, pink was skipped because the rule can not be
fulfilled any more, orange (`upstream_failed`) for the same reason, where a failure was the cause. The run
is green: its state is that of its last tasks, here of `report` alone, which runs whatever became of the others.
"""

from datetime import datetime

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import TaskGroup, TriggerRule, chain, dag, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

RULES = sorted(set(TriggerRule) - {TriggerRule.ALL_DONE_SETUP_SUCCESS})

MIXTURES = {
    "after_success": ["succeeds"],
    "after_failure": ["fails"],
    "after_skip": ["is_skipped"],
    "after_success_and_failure": ["succeeds", "fails"],
    "after_success_and_skip": ["succeeds", "is_skipped"],
}


@task
def fails() -> None:
    """Fails at once: AirflowFailException asks for no retry."""
    raise AirflowFailException("This task fails on purpose.")


@task
def is_skipped() -> None:
    """Skips itself, as a task does that finds nothing to do."""
    raise AirflowSkipException("This task skips itself on purpose.")


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    default_args={"owner": "examples", "retries": 0},
    tags=["example"],
    doc_md=__doc__,
)
def example_trigger_rules() -> None:
    """Every rule below every mixture. The tasks with rules do nothing: the scheduler ends them without a pod."""
    upstream = {
        "succeeds": EmptyOperator(task_id="succeeds"),
        "fails": fails(),
        "is_skipped": is_skipped(),
    }
    report = EmptyOperator(task_id="report", trigger_rule=TriggerRule.ALL_DONE)
    for mixture, names in MIXTURES.items():
        with TaskGroup(mixture) as group:
            for rule in RULES:
                EmptyOperator(task_id=rule.value, trigger_rule=rule)
        chain([upstream[name] for name in names], group, report)


example_trigger_rules()
