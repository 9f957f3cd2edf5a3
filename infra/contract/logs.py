"""Logs in Elasticsearch: how its parts are called, who reads what. `aerodrome logs --search` and `taskLogs` ask by it.

The shipper on each node brings the lines of Airflow's containers there: `charts/monitoring`, ADR 28.
"""

import hashlib
import hmac
from typing import Final

from infra.contract.metrics import NAMESPACE, RELEASE

ELASTICSEARCH, SHIPPER = "elasticsearch", "shipper"
"""The folders of the images, and the chart's groups of values."""

SHIPPER_NAMESPACE: Final = "monitoring-nodes"
"""The shipper's pods mount a folder of the node: no namespace with anything else in it should admit that."""

ELASTICSEARCH_SERVICE: Final = f"{RELEASE}-elasticsearch"
ELASTICSEARCH_PORT: Final = 9200
ELASTICSEARCH_URL: Final = f"https://{ELASTICSEARCH_SERVICE}.{NAMESPACE}.svc:{ELASTICSEARCH_PORT}"
"""By a name of its certificate, from any pod."""

SECRET: Final = "monitoring-elasticsearch"
"""The Secret with one password for each of `USERS`; the shipper's namespace has one of this name with the writer's."""

AUTHORITY: Final = f"{ELASTICSEARCH_SERVICE}-authority"
"""The ConfigMap in the shipper's namespace with the certificate, `ca.crt`, by which Elasticsearch is known."""

OUTSIDE_URL, OUTSIDE_READER = "url", "reader-user"
"""Keys of that Secret where logs are in an Elasticsearch outside: its address, and as whom it is read."""

WRITER, READER = "writer", "reader"
USERS: Final = (WRITER, READER)

S3: Final = "s3"
TASK_LOG_SOURCES: Final = (S3, ELASTICSEARCH)
"""The setting `taskLogs`."""

DATA_VIEW: Final = "aerodrome-logs"
"""The saved object of Kibana that leads to the indices."""

INDEX: Final = "airflow"
"""What indices begin with: `airflow.ENVIRONMENT.YYYY.MM.DD`."""


def indices_of(environment: str) -> str:
    """The pattern of one environment's indices. No environment's name has a dot in it."""
    return f"{INDEX}.{environment}.*"


def reader_of(environment: str) -> str:
    """The user who reads the lines of one environment and of no other."""
    return f"{READER}-{environment}"


def reader_password(environment: str, reader_password: str) -> str:
    """That user's password, which follows from the one of `READER` and does not tell it."""
    user = reader_of(environment)
    return hmac.new(reader_password.encode(), user.encode(), hashlib.sha256).hexdigest()


def link_to_try(kibana_url: str) -> str:
    """Where Kibana shows the lines of one try, with `{log_id}` where the try is named; empty without a Kibana."""
    if not kibana_url:
        return ""
    shown = "columns:!(level,message)"
    return _discover(
        kibana_url, 'log_id:"{log_id}"', "from:now-10y,to:now", shown, "!('@timestamp',asc)"
    )


def link_to_environment(kibana_url: str, environment: str) -> str:
    """Where Kibana shows the lines that an environment wrote in the last day, the newest first."""
    shown = "columns:!(level,dag_id,task_id,message)"
    query = f'environment:"{environment}"'
    link = _discover(kibana_url, query, "from:now-1d,to:now", shown, "!('@timestamp',desc)")
    # As a whole, for a terminal and a browser: a quotation mark would end it.
    return link.replace('"', "%22")


def _discover(kibana_url: str, query: str, period: str, shown: str, order: str) -> str:
    """An address of Kibana's Discover, on the data view of the saved objects."""
    asked = f"query:(language:kuery,query:'{query}')"
    state = f"index:{DATA_VIEW},{shown},{asked},sort:!({order})"
    return f"{kibana_url.rstrip('/')}/app/discover#/?_g=(time:({period}))&_a=({state})"
