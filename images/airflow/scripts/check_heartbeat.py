"""Exit 0 if this pod's Airflow process has written a heartbeat of late.

The probe of scheduler, dag-processor and triggerer. `airflow jobs check` asks the same, but
loads all of Airflow for it: a second of CPU time and 200 MB, in three pods, time and again.
"""

import os
import socket
import sys

from wait_for_schema import CONNECTION, libpq_url

QUERY = """
    select extract(epoch from now() - max(latest_heartbeat)) from job
    where job_type = %s and hostname = %s and state = 'running'
"""


def main(arguments: list[str]) -> int:
    """`check_heartbeat.py JOB_TYPE SECONDS`."""
    import psycopg2

    job_type, limit = arguments[0], float(arguments[1])
    # core.hostname_callable of the chart: jobs are known by their pod's address.
    address = socket.gethostbyname(socket.gethostname())
    connection = psycopg2.connect(libpq_url(os.environ[CONNECTION]), connect_timeout=5)
    try:
        with connection.cursor() as cursor:
            cursor.execute(QUERY, (job_type, address))
            age = cursor.fetchone()[0]
    finally:
        connection.close()
    if age is None:
        sys.stdout.write(f"no {job_type} runs at {address}\n")
        return 1
    sys.stdout.write(f"last heartbeat of {job_type} {age:.0f} s ago\n")
    return 0 if age < limit else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
