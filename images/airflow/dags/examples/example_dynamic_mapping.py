"""### Dynamic task mapping: as many tasks as there are things to do

`expand` makes one task for each item of a list that is known only when the run gets there; `partial` holds
what is the same for all. The next task gets the list of all results: map and reduce.

**When to use it.** For files, tables or customers whose number changes from run to run. Each item has its own
log, retries and state. Thousands of tiny items are better taken in batches: every task is a pod.

**What to look at.** The Grid shows `power [3]`; the tab *Mapped Tasks* lists them, with `map_index_template` as
their names. The group `ship` is mapped as a whole: each of its tasks exists once for each parcel.
"""

from datetime import datetime

from airflow.sdk import dag, get_current_context, task, task_group


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    default_args={"owner": "examples", "retries": 0},
    tags=["example"],
    doc_md=__doc__,
)
def example_dynamic_mapping() -> None:
    """Map, zip, reduce, and a mapped group."""

    @task
    def find() -> list[int]:
        """What there is to do. It could be a listing of a bucket."""
        return [2, 3, 5]

    @task(map_index_template="{{ number }}")
    def power(number: int, exponent: int) -> int:
        """`exponent` is the same for all, `number` is each one's own."""
        get_current_context()["number"] = number
        return number**exponent

    @task
    def label(pair: tuple[int, int]) -> str:
        """One of each list at a time."""
        number, squared = pair
        return f"{number}*{number}={squared}"

    @task
    def reduce(labels: list[str]) -> str:
        """All results, in the order of the items."""
        return ", ".join(labels)

    @task_group
    def ship(parcel: str) -> None:
        """Both tasks for each parcel; the second waits for the first of its own parcel only."""

        @task
        def weigh(what: str) -> int:
            return len(what)

        @task
        def send(grams: int) -> str:
            return f"sent {grams} g"

        send(weigh(parcel))

    numbers = find()
    squares = power.partial(exponent=2).expand(number=numbers)
    reduce(label.expand(pair=numbers.zip(squares)))
    ship.expand(parcel=["small", "very large"])


example_dynamic_mapping()
