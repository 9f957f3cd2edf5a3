"""The addresses of Airflow's database lead both of its engines there with TLS, as RDS forces it: the image's Airflow,
a real PostgreSQL.
"""

import subprocess
from pathlib import Path

from infra.contract.secret_contents import async_url, sqlalchemy_url
from tests.unit.images import postgresql
from tests.unit.images.airflow_database import python, settings
from tests.unit.images.postgresql import MASTER, MASTER_PASSWORD

ASK = """
import asyncio
from airflow import settings
from sqlalchemy import text

settings.initialize()
ASKED = text("select ssl from pg_stat_ssl where pid = pg_backend_pid()")

async def ask():
    async with settings.AsyncSession() as session:
        found = await session.scalar(ASKED)
    await settings.async_engine.dispose()
    return found

print(settings.Session().scalar(ASKED), asyncio.run(ask()))
"""


def test_both_engines_of_airflow_use_tls(tmp_path: Path) -> None:
    (version,) = postgresql.TLS_VERSIONS
    with postgresql.running(version) as server:
        url = sqlalchemy_url("127.0.0.1", MASTER, MASTER_PASSWORD, tls=True, port=server.port)
        environment = settings(url, tmp_path)
        environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"] = async_url(url)
        done = subprocess.run(
            [python(), "-c", ASK], env=environment, capture_output=True, text=True, check=False
        )
    assert done.stdout.splitlines()[-1:] == ["True True"], done.stderr[-3000:]
