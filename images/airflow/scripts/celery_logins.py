"""Which passwords Celery's queue takes, and which logins the database of its results does: tried, and told as JSON.

`secrets rotate celery` asks it in a Job, which gets them by a Secret.
"""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import database_logins
from wait_for_schema import CONNECTION, INTERVAL, libpq_url

LOGINS = database_logins.LOGINS
"""The variable with what to try, as JSON: `users`, pairs of user and password, in the `database`, and `passwords` of the queue
on the host and port `queue`."""

REFUSED = ("WRONGPASS", "invalid username-password pair")


def queue_takes(
    host: str, port: int, passwords: Sequence[str], patience: float = database_logins.PATIENCE
) -> list[bool]:
    """Whether the queue takes each. SystemExit if it cannot be asked."""
    give_up = time.monotonic() + patience
    return [_queue_takes(host, port, password, give_up) for password in passwords]


def _queue_takes(host: str, port: int, password: str, give_up: float) -> bool:
    import redis

    while True:
        client = redis.Redis(host=host, port=port, password=password, socket_timeout=10)
        try:
            client.ping()
            return True
        except redis.AuthenticationError as error:
            if not any(text in str(error) for text in REFUSED):
                raise
            return False
        except (redis.RedisError, OSError) as error:
            if time.monotonic() > give_up:
                # redis-py's text names the host, never the password.
                raise SystemExit(f"whom the queue lets in is not known: {error}") from None
            time.sleep(INTERVAL)
        finally:
            client.close()


def tried(question: Mapping[str, Any]) -> dict[str, list[bool]]:
    """The answers, in the order of what was asked."""
    from psycopg2.extensions import make_dsn

    # Whoever may log in is let into the database of the results alone.
    url = make_dsn(libpq_url(os.environ[CONNECTION]), dbname=question["database"])
    users = [(user, password) for user, password in question["users"]]
    host, port = question["queue"]
    return {
        "users": database_logins.accepted(url, users),
        "passwords": queue_takes(host, port, question["passwords"]),
    }


def main() -> int:
    """No arguments: everything comes from the environment."""
    sys.stdout.write(f"{json.dumps(tried(json.loads(os.environ[LOGINS])))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
