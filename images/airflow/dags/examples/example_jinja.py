"""### Jinja: values that are known only when the task runs

Strings in an operator's template fields are rendered just before it runs: `{{ params.name }}`, the run's dates,
Airflow's `macros`, and the DAG's own filters and macros (`user_defined_filters`, `user_defined_macros`).

**When to use it.** For dates, run ids, parameters, variables (`{{ var.value.x }}`) and connections
(`{{ conn.x.host }}`) in operators. Never read those at the top of a DAG file: the file is parsed every minute.
In Python tasks the same values are arguments: `def task(params, dag_run)`.

**What to look at.** *Trigger* opens a form that is made from `params`, with their rules. After the run: the task
`greet`, tab *Rendered Templates*, and its XCom, which is the last line that the command wrote.
"""

from datetime import datetime

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import Param, dag, task


def shout(text: str) -> str:
    """`{{ "a" | shout }}` is `A!`"""
    return f"{text.upper()}!"


def week(moment: datetime) -> str:
    """`{{ week(dag_run.run_after) }}` is `2026-W05`"""
    return f"{moment:%G-W%V}"


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    default_args={"owner": "examples", "retries": 0},
    tags=["example"],
    doc_md=__doc__,
    params={
        "name": Param("world", type="string", minLength=1, description="Who is greeted."),
        "days": Param(7, type="integer", minimum=1, maximum=365, description="How far to look."),
    },
    user_defined_filters={"shout": shout},
    user_defined_macros={"week": week},
)
def example_jinja() -> None:
    """Render a greeting, then look at it."""
    greet = BashOperator(
        task_id="greet",
        # run_after is always there; {{ ds }} and {{ logical_date }} only in runs that have a logical date.
        # A value goes in as a variable of the environment: rendered into the command, a quote in
        # it would be the shell's.
        bash_command='echo "hello $NAME in $WEEK, until $UNTIL"',
        env={
            "NAME": "{{ params.name | shout }}",
            "WEEK": "{{ week(dag_run.run_after) }}",
            "UNTIL": "{{ macros.ds_add(dag_run.run_after | ds, params.days) }}",
        },
        append_env=True,
    )

    @task
    def check(greeting: str, params: dict[str, object]) -> None:
        """In Python no template is needed: arguments have the context's names."""
        expected = f"hello {shout(str(params['name']))}"
        if not greeting.startswith(expected):
            raise ValueError(f"{greeting!r} does not begin with {expected!r}")

    check(greet.output)


example_jinja()
