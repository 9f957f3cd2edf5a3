"""How Airflow's asynchronous engine connects through PgBouncer in transaction mode (`sql_alchemy_connect_args_async`).

A named statement would stay behind in a session of the server that the next transaction may not get, and would be in
the way of another process's of that name. The unnamed one lasts until the next, which is within its transaction.
The synchronous driver, psycopg2, prepares nothing.
"""

from collections.abc import Callable
from typing import Final


def _unnamed() -> str:
    return ""


POOLED_CONNECT_ARGS: Final[dict[str, int | Callable[[], str]]] = {
    # asyncpg's own, then those of SQLAlchemy's dialect for it.
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": _unnamed,
}
